import importlib.util
import sys

import cv2
import numpy as np
import pytest
import scipy.ndimage
import torch
from mmseg.registry import TRANSFORMS

from mmseg_bisenet_lite.datasets.transforms.corruption import DROP_HEIGHT, KINDS
from mmseg_bisenet_lite.utils.errors import InputError


def mark(kind, *strength):
    """Skip a kind whose library is missing."""
    missing = KINDS[kind].needs is not None and importlib.util.find_spec(KINDS[kind].needs) is None
    reason = 'Kornia is not installed; it needs Python 3.11'
    return pytest.param(kind, *strength, marks=pytest.mark.skipif(missing, reason=reason))


EVERY = [mark(kind) for kind in KINDS]
BOTH_STRENGTHS = [mark(kind, strength) for kind, each in KINDS.items() for strength in each.strengths]


def corrupted(image, kind, strength, seed=0):
    transform = TRANSFORMS.build(dict(type='Corrupt', kind=kind, strength=strength, seed=seed))
    return transform(dict(img=image.copy()))['img']


@pytest.fixture(scope='module')
def image():
    """Colours, edges and plain parts: blocks of eight pixels, a bit smoothed."""
    blocks = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    return cv2.GaussianBlur(cv2.resize(blocks, (128, 96), interpolation=cv2.INTER_NEAREST), (3, 3), 0)


def blurred(image, sigma):
    side = 2 * round(3 * sigma) + 1  # up to three standard deviations
    return scipy.ndimage.gaussian_filter(
        image.astype(np.float64), (sigma, sigma, 0), mode='mirror', radius=(side // 2, side // 2, 0)
    )


def moved(image, length):
    return scipy.ndimage.uniform_filter1d(image.astype(np.float64), int(length), axis=1, mode='mirror')


def saved(image, quality):
    return cv2.imdecode(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    ('kind', 'expected'),
    [
        ('dark', lambda image, gain: image * gain),
        ('bright', lambda image, gain: (image * gain).clip(max=255)),
        ('blur', blurred),
        ('motion', moved),
        ('jpeg', saved),
    ],
)
def test_a_strength_is_what_it_says(image, kind, expected):
    for strength in KINDS[kind].strengths:
        difference = corrupted(image, kind, strength) - expected(image, strength).astype(np.float64)
        assert np.abs(difference).max() <= (0 if kind == 'jpeg' else 1.01)


def test_noise_has_its_deviation_in_each_channel():
    grey = np.full((200, 200, 3), 128, np.uint8)
    for sigma in KINDS['noise'].strengths:
        noise = corrupted(grey, 'noise', sigma).astype(float) - 128
        assert noise.std(axis=(0, 1)) == pytest.approx([sigma] * 3, rel=0.02)
        assert noise.mean() == pytest.approx(0, abs=sigma / 50)
        assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.03


def test_rain_is_as_dense_as_it_says_whatever_the_size():
    pytest.importorskip('kornia', reason='Kornia is not installed; it needs Python 3.11')
    for side in (100, 400):
        black = np.zeros((side, side, 3), np.uint8)
        for density in KINDS['rain'].strengths:
            rain = corrupted(black, 'rain', density)
            assert set(np.unique(rain)) == {0, 200}
            covered = density * DROP_HEIGHT / 1000
            assert 0.8 * covered < (rain[..., 0] > 0).mean() <= covered  # drops overlap


@pytest.mark.parametrize('kind', EVERY)
def test_the_second_strength_changes_more(image, kind):
    weak, strong = (np.abs(corrupted(image, kind, each).astype(int) - image).mean() for each in KINDS[kind].strengths)
    assert 1 < weak < 0.8 * strong


@pytest.mark.parametrize(('kind', 'strength'), BOTH_STRENGTHS)
def test_the_same_seed_gives_the_same_pixels_and_draws_no_other_number(image, kind, strength):
    first = corrupted(image, kind, strength)
    torch.manual_seed(7)
    np.random.seed(7)
    state, numpys = torch.get_rng_state(), np.random.get_state()[1].tolist()
    assert np.array_equal(corrupted(image, kind, strength), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.random.get_state()[1].tolist() == numpys
    drawn = kind in ('noise', 'rain')
    assert all(np.array_equal(corrupted(image, kind, strength, seed), first) != drawn for seed in (1, 2**32))
    other = image[::-1]
    if drawn:  # another photograph has other noise
        assert not np.array_equal(corrupted(other, kind, strength) - other.astype(int), first - image.astype(int))
    assert first.dtype == np.uint8


def test_float_images_stay_float(image):
    assert corrupted(image.astype(np.float32), 'dark', 0.5).dtype == np.float32


@pytest.mark.parametrize(
    ('kind', 'strength', 'message'),
    [
        ('fog', 1, "corruption 'fog': choose from dark, bright"),
        ('dark', 0, "corruption 'dark', strength 0: give a number above 0"),
        ('dark', '0.5', 'give a number above 0'),
        ('dark', None, 'give a number above 0'),
        ('blur', float('inf'), 'give a number above 0'),
        ('noise', float('nan'), 'give a number above 0'),
        ('motion', 8, 'give an odd number from 1'),
        ('motion', -1, 'give an odd number from 1'),
        ('jpeg', 101, 'give a whole number from 1 to 100'),
        ('jpeg', 50.5, 'give a whole number from 1 to 100'),
    ],
)
def test_wrong_arguments_are_named(image, kind, strength, message):
    with pytest.raises(InputError, match=message):
        corrupted(image, kind, strength)


@pytest.mark.parametrize('seed', [-1, 0.5, True, '1'])
def test_a_wrong_seed_is_named(image, seed):
    with pytest.raises(InputError, match='give a whole number of at least 0'):
        corrupted(image, 'noise', 10, seed)


def test_a_missing_library_is_named_where_it_is_needed(image, monkeypatch):
    monkeypatch.setitem(sys.modules, 'kornia', None)
    with pytest.raises(InputError, match='pip install kornia'):
        corrupted(image, 'rain', 2)
    assert corrupted(image, 'blur', 2).shape == image.shape


def randomly(kinds, prob=1.0):
    return TRANSFORMS.build(dict(type='RandomCorrupt', kinds=kinds, prob=prob))


@pytest.mark.parametrize('kind', EVERY)
def test_a_random_corruption_is_one_of_the_fixed_ones(image, kind):
    low, high = sorted(KINDS[kind].strengths)
    np.random.seed(3)
    first = randomly({kind: (low, high)})(dict(img=image.copy()))['img']
    np.random.seed(3)
    assert np.array_equal(randomly({kind: (low, high)})(dict(img=image.copy()))['img'], first)
    weak, strong = sorted(np.abs(corrupted(image, kind, each).astype(int) - image).mean() for each in (low, high))
    change = np.abs(first.astype(int) - image).mean()
    assert 0.95 * weak <= change <= 1.05 * strong
    np.random.seed(4)
    assert not np.array_equal(randomly({kind: (low, high)})(dict(img=image.copy()))['img'], first)


def test_it_draws_each_kind_for_its_share_of_the_photographs(image):
    transform = randomly(dict(dark=(0.5, 0.5), jpeg=(7, 7)), prob=0.5)
    of = {corrupted(image, *each).tobytes(): each[0] for each in (('dark', 0.5), ('jpeg', 7))} | {image.tobytes(): 'none'}
    np.random.seed(0)
    drawn = [of[transform(dict(img=image.copy()))['img'].tobytes()] for _ in range(400)]
    assert drawn.count('none') == pytest.approx(200, abs=40)
    assert drawn.count('dark') == pytest.approx(100, abs=35)


def test_all_lengths_are_drawn_equally_often():
    edge = np.zeros((32, 64, 3), np.uint8)
    edge[:, 32:] = 255
    transform = randomly(dict(motion=(3, 9)))
    np.random.seed(0)
    ramps = [len(np.unique(transform(dict(img=edge.copy()))['img'])) - 1 for _ in range(800)]
    assert set(ramps) == {3, 5, 7, 9}
    assert all(ramps.count(length) == pytest.approx(200, abs=50) for length in (3, 9))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(kinds={}), 'give strengths such as'),
        (dict(kinds=[('dark', (0.5, 0.9))]), 'give strengths such as'),
        (dict(kinds=dict(dark=(0.5, 0.9)), prob=1.5), r'prob=1.5\): give a share'),
        (dict(kinds=dict(dark=(0.9, 0.5))), r'dark=\(0.9, 0.5\): give the lowest strength first'),
        (dict(kinds=dict(dark=0.5)), r'dark=0.5: give \(lowest, highest\)'),
        (dict(kinds=dict(dark=('a', 'b'))), 'give a number above 0'),
        (dict(kinds=dict(motion=(4, 9))), 'give an odd number from 1'),
        (dict(kinds=dict(fog=(1, 2))), 'choose from dark, bright'),
    ],
)
def test_wrong_arguments_of_the_random_one_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        TRANSFORMS.build(dict(type='RandomCorrupt', **arguments))
