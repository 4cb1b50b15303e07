import copy

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.transforms import Compose
from mmseg.registry import TRANSFORMS
from scipy import stats

from mmseg_bisenet_lite import RandomResizeCropFlip
from mmseg_bisenet_lite.datasets.transforms.geometry import resized_window
from mmseg_bisenet_lite.utils.errors import InputError

FACTORS = (0.75, 1.0, 1.5, 1.75, 2.0)


def hosts_steps(crop_size, cat_max_ratio, flip_prob=0.5, scale_factors=None, scale=None, ratio_range=None):
    """MMSegmentation's own transforms for the same arguments."""
    if scale_factors:
        branches = [[dict(type='Resize', scale_factor=factor, keep_ratio=True)] for factor in scale_factors]
        resize = dict(type='RandomChoice', transforms=branches)
    else:
        resize = dict(type='RandomResize', scale=scale, ratio_range=ratio_range, keep_ratio=True)
    crop = dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=cat_max_ratio)
    return Compose([TRANSFORMS.build(step) for step in (resize, crop, dict(type='RandomFlip', prob=flip_prob))])


def scene(width, height, seed=0, classes=(0, 1, 255)):
    """A smooth image with noise, and label maps of large areas."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 5, 3), np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    image = cv2.add(image, rng.integers(0, 20, image.shape, np.uint8))
    label = cv2.resize(rng.choice(np.uint8(classes), (5, 6)), (width, height), interpolation=cv2.INTER_NEAREST)
    return image, label


def run(transform, image, label, seed):
    """The sample, and the next number, which tells whether as many were drawn."""
    np.random.seed(seed)
    results = dict(img=image, gt_seg_map=label, seg_fields=['gt_seg_map'], img_shape=image.shape[:2], ori_shape=image.shape[:2])
    return transform(results), np.random.random()


@settings(max_examples=60)
@given(
    width=st.integers(20, 150),
    height=st.integers(20, 150),
    crop_size=st.tuples(st.integers(8, 100), st.integers(8, 100)),
    scales=st.sampled_from(
        [dict(scale_factors=FACTORS), dict(scale_factors=(0.5, 0.6)), dict(scale=(128, 64), ratio_range=(0.5, 2.0))]
    ),
    cat_max_ratio=st.sampled_from([1.0, 0.75, 0.3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_same_seed_gives_the_hosts_sample(width, height, crop_size, scales, cat_max_ratio, seed):
    image, label = scene(width, height, seed)
    ours = RandomResizeCropFlip(crop_size, cat_max_ratio=cat_max_ratio, **scales)
    (mine, my_next), (theirs, their_next) = (
        run(transform, image, label, seed) for transform in (ours, hosts_steps(crop_size, cat_max_ratio, **scales))
    )
    assert my_next == their_next
    assert np.array_equal(mine['gt_seg_map'], theirs['gt_seg_map'])
    for key in ('flip', 'flip_direction', 'scale_factor', 'img_shape', 'keep_ratio'):
        assert mine[key] == theirs[key]
    assert mine['img'].flags.c_contiguous
    # Up to 1/64 pixel beside it along each axis, and the rounding.
    steepest = max(np.abs(np.diff(image.astype(int), axis=axis)).max() for axis in (0, 1))
    assert np.abs(mine['img'].astype(int) - theirs['img']).max() <= 2 * steepest / 64 + 2


@settings(max_examples=60)
@given(
    columns=st.integers(3, 40),
    rows=st.integers(3, 40),
    factor=st.sampled_from([*FACTORS, 0.25, 0.5]),
    place=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_with_bisenets_factors_a_window_is_that_of_the_whole(columns, rows, factor, place):
    width, height = 8 * columns, 4 * rows
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    size = int(width * factor), int(height * factor)
    (left, right), (top, bottom) = (
        sorted((round(place[k] * (side - 1)), round(place[k + 1] * (side - 1)))) for k, side in ((0, size[0]), (2, size[1]))
    )
    window = left, top, right + 1, bottom + 1
    whole = cv2.resize(image, size)[top : bottom + 1, left : right + 1]
    part = resized_window(image, size, window)
    assert part.shape == whole.shape
    difference = np.abs(part.astype(int) - whole)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02


def test_only_the_window_is_read():
    image = np.random.default_rng(0).integers(0, 256, (512, 1024, 3), np.uint8)
    window = (600, 300, 856, 428)
    expected = resized_window(image, (2048, 1024), window)
    spoilt = image.copy()
    spoilt[:, :290], spoilt[:, 430:], spoilt[:140], spoilt[216:] = 0, 0, 0, 0
    assert np.array_equal(resized_window(spoilt, (2048, 1024), window), expected)


def test_the_distributions_are_the_hosts():
    # Of independent draws: size, place (an image whose pixels are their places), flips, class shares, pixels.
    height, width = 64, 128
    y, x = np.mgrid[:height, :width]
    image = np.stack([x, y, np.full_like(x, 9)], axis=-1).astype(np.uint8)
    label = ((x // 16 + y // 16) % 3 == 0).astype(np.uint8)
    label[:8] = 255
    options = dict(scale=(128, 64), ratio_range=(0.5, 2.0))

    def statistics(transform, seeds):
        rows = []
        for seed in seeds:
            sample, _ = run(transform, image, label, seed)
            share = (sample['gt_seg_map'] == 1).mean()
            place = sample['img'].reshape(-1, 3).mean(0)[:2]
            rows.append([sample['scale_factor'][0], *place, sample['flip'], share, sample['img'].std()])
        return np.array(rows, float)

    ours = statistics(RandomResizeCropFlip((32, 32), cat_max_ratio=0.75, **options), range(10_000, 11_000))
    hosts = statistics(hosts_steps((32, 32), 0.75, **options), range(20_000, 21_000))
    for column in range(ours.shape[1]):
        assert stats.ks_2samp(ours[:, column], hosts[:, column]).pvalue > 1e-3, column
    assert abs(ours[:, 3].mean() - 0.5) < 0.06
    # The test can tell: without the balance of classes their shares are others, without small scales the scales are.
    for other, column in (
        (RandomResizeCropFlip((32, 32), **options), 4),
        (RandomResizeCropFlip((32, 32), scale=(128, 64), ratio_range=(0.8, 2.0), cat_max_ratio=0.75), 0),
    ):
        assert stats.ks_2samp(statistics(other, range(1000))[:, column], hosts[:, column]).pvalue < 1e-3


@pytest.mark.parametrize('classes', [(0,), (255,), (0, 255), (0, 1), (3, 7, 9, 255), tuple(range(19))])
def test_crops_are_balanced_as_the_hosts_are(classes):
    # One transform for many images, as it remembers the most common class of the last one.
    ours, hosts = RandomResizeCropFlip((40, 40), (1.0,), cat_max_ratio=0.6), hosts_steps((40, 40), 0.6, scale_factors=(1.0,))
    for seed in range(40):
        image, label = scene(120, 90, seed, classes)
        mine, theirs = run(ours, image, label, seed), run(hosts, image, label, seed)
        assert mine[1] == theirs[1]
        assert np.array_equal(mine[0]['gt_seg_map'], theirs[0]['gt_seg_map'])


@pytest.mark.parametrize('kind', [np.uint8, np.int16])
@pytest.mark.parametrize('ignore_index', [255, -100, 156, 0])
def test_any_labels_are_balanced(kind, ignore_index):
    hosts = TRANSFORMS.build(dict(type='RandomCrop', crop_size=(40, 40), cat_max_ratio=0.6, ignore_index=ignore_index))
    for seed in range(20):
        image, label = scene(120, 90, seed, (0, 0, 156, 7, 9))
        places = []
        ours = RandomResizeCropFlip((40, 40), (1.0,), cat_max_ratio=0.6, ignore_index=ignore_index)
        for draw in (lambda results, ours=ours: ours._draw_window((120, 90), results['gt_seg_map']), hosts.crop_bbox):
            np.random.seed(seed)
            places.append(draw(dict(img=image, gt_seg_map=label.astype(kind))))
        (left, top, right, bottom), hosts_place = places
        assert (top, bottom, left, right) == tuple(hosts_place)


def test_a_square_crop_is_one_number():
    assert RandomResizeCropFlip(16, (1.0,)).crop_size == (16, 16)


def test_it_does_without_labels():
    image, _ = scene(64, 48)
    sample = RandomResizeCropFlip((16, 16), (1.0,), cat_max_ratio=0.5, flip_prob=0)(dict(img=image))
    assert sample['img'].shape == (16, 16, 3)
    assert 'gt_seg_map' not in sample


@pytest.mark.parametrize('prob', [0.0, 1.0])
def test_certain_flips(prob):
    image, label = scene(32, 32)
    sample, _ = run(RandomResizeCropFlip((32, 32), (1.0,), flip_prob=prob), image, label, 0)
    assert np.array_equal(sample['img'], image[:, ::-1] if prob else image)
    assert np.array_equal(sample['gt_seg_map'], label[:, ::-1] if prob else label)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(crop_size=(1, 2)), 'give either scale_factors, or scale and ratio_range'),
        (dict(crop_size=(1, 2), scale_factors=(1.0,), scale=(4, 4), ratio_range=(1, 2)), 'give either'),
        (dict(crop_size=(1, 2), scale=(4, 4)), 'give either'),
        (dict(crop_size=(1, 2), scale_factors=()), 'scale_factors='),
        (dict(crop_size=(1, 2), scale_factors=(1.0, 0.0)), 'scale_factors='),
        (dict(crop_size=(0, 2), scale_factors=(1.0,)), 'crop_size='),
        (dict(crop_size=-512, scale_factors=(1.0,)), 'crop_size='),
        (dict(crop_size='12', scale_factors=(1.0,)), 'crop_size='),
        (dict(crop_size=(1, 2), scale=(4, 4), ratio_range=(2.0, 0.5)), 'ratio_range='),
        (dict(crop_size=(1, 2), scale_factors=(1.0,), cat_max_ratio=1.5), 'cat_max_ratio='),
        (dict(crop_size=(1, 2), scale_factors=(1.0,), flip_prob=-1), 'flip_prob='),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(InputError, match=message):
        RandomResizeCropFlip(**options)


@pytest.fixture
def rare():
    """A photograph with three foreground pixels: two in corners, one amid."""
    label = np.zeros((90, 120), np.uint8)
    label[[0, 89, 40], [119, 1, 60]] = 1
    return dict(img=np.zeros((90, 120, 3), np.uint8), gt_seg_map=label, seg_fields=['gt_seg_map'])


@pytest.mark.parametrize('factor', [1.0, 2.0])
def test_crops_are_placed_on_the_foreground(rare, factor):
    np.random.seed(0)
    transform = RandomResizeCropFlip((30, 40), scale_factors=(factor,), foreground_prob=0.6)
    crops = [transform(copy.copy(rare))['gt_seg_map'] for _ in range(600)]
    assert {crop.shape for crop in crops} == {(30, 40)}
    shown = np.mean([crop.any() for crop in crops])
    plain = RandomResizeCropFlip((30, 40), scale_factors=(factor,))
    without = np.mean([plain(copy.copy(rare))['gt_seg_map'].any() for _ in range(600)])
    assert shown == pytest.approx(0.6 + 0.4 * without, abs=0.07)


def test_each_foreground_pixel_and_each_place_around_it_are_alike(rare):
    np.random.seed(1)
    rare['gt_seg_map'][[0, 89], [119, 1]] = 0
    transform = RandomResizeCropFlip((30, 40), scale_factors=(1.0,), foreground_prob=1.0, flip_prob=0.0)
    places = np.array([np.argwhere(transform(copy.copy(rare))['gt_seg_map'])[0] for _ in range(3000)])
    for axis, size in enumerate((30, 40)):
        counts = np.bincount(places[:, axis], minlength=size)
        assert len(counts) == size
        assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(('groups', 'share'), [(((8,), (9, 10), (4,)), 1 / 2), (((8,), (9, 10), (4,), (9, 10)), 2 / 3)])
def test_of_several_groups_each_is_drawn_as_often_as_it_is_given(rare, groups, share):
    np.random.seed(2)
    rare['gt_seg_map'][:] = 0
    rare['gt_seg_map'][:60, :80] = 8
    rare['gt_seg_map'][-1, -1] = 10
    transform = RandomResizeCropFlip((1, 1), scale_factors=(1.0,), foreground_prob=1.0, foreground=groups)
    drawn = [int(transform(copy.copy(rare))['gt_seg_map'].item()) for _ in range(600)]
    assert set(drawn) == {8, 10}
    assert np.mean(np.array(drawn) == 10) == pytest.approx(share, abs=0.07)


@pytest.mark.parametrize('foreground', [(), (8,), ((),), None, (('car',),), ((255,),), ((1.5,),), ((-1,),), 8])
def test_a_foreground_that_is_no_groups_is_refused(foreground):
    with pytest.raises(InputError, match='foreground='):
        RandomResizeCropFlip((30, 40), scale_factors=(1.0,), foreground=foreground)


def test_without_foreground_or_labels_the_crop_is_anywhere(rare):
    transform = RandomResizeCropFlip((30, 40), scale_factors=(1.0,), foreground_prob=1.0)
    rare['gt_seg_map'][:] = 0
    assert transform(copy.copy(rare))['gt_seg_map'].shape == (30, 40)
    assert transform(dict(img=rare['img']))['img'].shape == (30, 40, 3)
    with pytest.raises(InputError, match=r'foreground_prob=1\.5'):
        RandomResizeCropFlip((30, 40), scale_factors=(1.0,), foreground_prob=1.5)
