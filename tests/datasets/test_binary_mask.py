import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image

import mmseg_bisenet_lite
from mmseg_bisenet_lite import BinaryMaskDataset
from mmseg_bisenet_lite.datasets import binary_mask, mask_search
from mmseg_bisenet_lite.datasets.label_check import LabelCheck, require_agreement
from mmseg_bisenet_lite.datasets.mask_search import _count
from mmseg_bisenet_lite.datasets.metainfo import metainfo_of
from mmseg_bisenet_lite.utils.errors import InputError

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
FOLDERS = dict(img_path='train', seg_map_path='trainannot')
CRACK = np.bool_([[0, 1, 1, 0, 0], [0, 1, 0, 0, 0]])
RED, BLUE = (255, 0, 0), (0, 0, 255)


def shown(value):
    """Name an image in the names of tests: its address would differ between pytest's processes."""
    return value.mode if isinstance(value, Image.Image) else str(value)


def grey(values):
    return Image.fromarray(np.uint8(values))


def palette(values, *colours):
    image = Image.fromarray(np.uint8(values)).convert('L')
    image.putpalette(sum(colours, ()))
    return image


def coloured(foreground, background=(0, 0, 0)):
    return Image.fromarray(np.uint8(np.where(CRACK[..., None], foreground, background)))


@pytest.fixture
def data(tmp_path):
    """Write photographs with these masks; returns the folder."""

    def write(*masks, split='train', ending='png', **options):
        for name, mask in zip('abcd', masks, strict=False):
            for folder in (split, f'{split}annot'):
                (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / split / f'{name}.jpg'), np.full((*mask.size[::-1], 3), 90, np.uint8))
            mask.save(tmp_path / f'{split}annot' / f'{name}.{ending}', **options)
        return tmp_path

    return write


def build(root, pipeline=LOAD, **options):
    options = dict(data_prefix=FOLDERS, serialize_data=False) | options
    return BinaryMaskDataset(data_root=str(root), pipeline=pipeline, **options)


def labels(dataset, index=0):
    return dataset[index]['data_samples'].gt_sem_seg.data[0].numpy()


def checked(dataset):
    check = LabelCheck('train', dataset)
    while check.step():
        pass
    return check.checked


# Masks of every kind with what has to be said about them, and what is found out.
KINDS = {
    '0/1': (grey(CRACK * 1), {}, 'grey, 0 is background, 1 is crack'),
    '0/255': (grey(CRACK * 255), {}, 'grey, 0 is background, 255 is crack'),
    '1 bit': (Image.fromarray(CRACK), {}, 'grey, 0 is background, 255 is crack'),
    '1 bit as 1': (Image.fromarray(CRACK), dict(foreground=1), 'grey, 0 is background, 1 is crack'),
    '1 bit, rest': (
        Image.fromarray(CRACK),
        dict(foreground=255, background='rest'),
        'grey, all else is background, 255 is crack',
    ),
    '16 bits': (Image.fromarray((CRACK * 255).astype(np.uint16)), {}, 'grey, 0 is background, 255 is crack'),
    'inverted': (
        grey(~CRACK * 255),
        dict(foreground=0, background=255),
        'grey, 255 is background, 0 is crack',
    ),
    'values': (grey(CRACK * 7 + 2), dict(foreground=[9], background=[2, 3]), 'grey, 2, 3 is background, 9 is crack'),
    'rest': (grey(CRACK * 7 + 2), dict(foreground=9, background='rest'), 'grey, all else is background, 9 is crack'),
    'as text': (grey(CRACK * 7), dict(foreground='7'), 'grey, 0 is background, 7 is crack'),
    'palette': (palette(CRACK * 1, (9, 9, 9), RED), {}, 'palette, 0 is background, 1 is crack'),
    'palette index': (
        palette(CRACK * 2, (0, 0, 0), BLUE, RED),
        dict(foreground=2),
        'palette, 0 is background, 2 is crack',
    ),
    'palette colour': (
        palette(CRACK * 2, (0, 0, 0), BLUE, RED),
        dict(foreground='#ff0000'),
        'colours, #000000 is background, #ff0000 is crack',
    ),
    'white': (coloured((255, 255, 255)), {}, 'colours, #000000 is background, #ffffff is crack'),
    'red': (coloured(RED), dict(foreground='red'), 'colours, #000000 is background, #ff0000 is crack'),
    'tuple': (
        coloured(RED, BLUE),
        dict(foreground=(255, 0, 0), background=[BLUE]),
        'colours, #0000ff is background, #ff0000 is crack',
    ),
    'colour, rest': (
        coloured(RED, BLUE),
        dict(foreground=RED, background='rest'),
        'colours, all else is background, #ff0000 is crack',
    ),
    'grey as RGB': (coloured((7, 7, 7)), dict(foreground=7), 'colours, #000000 is background, #070707 is crack'),
    'opaque': (coloured((*RED, 255), (0, 0, 0, 255)), dict(foreground=RED), 'colours, #000000 is background, #ff0000 is crack'),
    'transparent': (
        coloured((*RED, 255), (3, 5, 7, 0)),
        dict(foreground=RED, background='#00000000'),
        'colours, #00000000 is background, #ff0000 is crack',
    ),
}


@pytest.mark.parametrize('kind', KINDS)
def test_masks_of_every_kind_are_read_and_told_once(data, kind, monkeypatch):
    mask, options, meaning = KINDS[kind]
    told = []
    monkeypatch.setattr(binary_mask, 'print_log', lambda *words: told.append(words))
    root = data(mask, mask)
    dataset = build(root, name='crack', **options)
    assert 'BinaryMaskDataset' in mmseg_bisenet_lite.__all__
    assert told == [(f'masks in {root}/trainannot: {meaning}', 'current')]
    assert np.array_equal(labels(dataset), CRACK)
    assert checked(dataset) == 2
    assert dataset.metainfo['classes'] == ('background', 'crack')


@pytest.mark.parametrize(
    ('mask', 'options'),
    [
        (grey([[0, 1, 255, 1]]), dict(ignore=255)),
        (grey([[0, 255, 128, 255]]), dict(ignore=128)),
        (grey([[0, 255, 9, 255]]), dict(foreground=255, ignore=[9, 10])),
        (Image.fromarray(np.uint8([[(0, 0, 0), RED, BLUE, RED]])), dict(foreground=RED, ignore='blue')),
    ],
    ids=shown,
)
@pytest.mark.parametrize('ignore_index', [255, 200])
def test_ignored_pixels(data, mask, options, ignore_index):
    dataset = build(data(mask), ignore_index=ignore_index, **options)
    assert labels(dataset).tolist() == [[0, 1, ignore_index, 1]]


@pytest.mark.parametrize(
    ('mask', 'options', 'message'),
    [
        (
            grey([[0, 1, 255, 0]]),
            {},
            r'values 0 \(50 %\), 1 \(25 %\), 255 \(25 %\) \(255: 1 pixels in .*a\.png\), so it is not clear.*=1, ignore=255',
        ),
        (grey([[0, 0, 255, 128]]), {}, r'not clear which is the foreground; say it with foreground='),
        (grey([[0, 7]]), {}, r'values 0 \(50 %\), 7 \(50 %\) .*, so .* such as foreground=7, or mend'),
        (grey([[0, 0]]), {}, r'1 masks that were looked at have no other value than 0.*give foreground='),
        (coloured(RED), {}, r"colours #000000 \(70 %\), #ff0000 \(30 %\) .*, so .* such as foreground='#ff0000', or"),
        (coloured((*RED, 255), (0, 0, 0, 0)), {}, r"such as foreground='#ff0000', background='#00000000', or"),
        (coloured((0, 0, 0, 255), (0, 0, 0, 0)), {}, r"such as foreground='#000000', background='#00000000', or"),
        (grey([[0, 1, 2, 3]]), {}, r"such as foreground=1, background='rest', or"),
        (grey(np.arange(200)[None]), {}, r'and 196 more \(199: 1 pixels in .*soft edges.*swapped'),
        (grey([[0, 1, 255]]), dict(foreground=1), r'a.png: the value 255 of 1 pixels is neither .*knows 0, 1\).*ignore='),
        (
            coloured(RED, BLUE),
            dict(foreground=RED),
            r'a.png: the colour #0000ff of 7 pixels is neither.*knows #000000, #ff0000',
        ),
        (coloured((*RED, 255), (0, 0, 0, 0)), dict(foreground=RED), r'a.png: the colour #00000000 of 7 pixels'),
        (grey([[0, 255]]), dict(foreground=0), r'the background is 0 unless another one is given; give background= too'),
        (palette(CRACK, RED, BLUE), dict(foreground=RED, background=0), r'has a palette, so values are its indices'),
        (Image.fromarray(np.uint16([[0, 65535]])), {}, r'a.png: a mask needs one channel of 8 bits or RGB colours'),
    ],
    ids=shown,
)
def test_what_is_not_clear_is_one_error_when_the_set_is_built(data, mask, options, message):
    with pytest.raises(InputError, match=message) as error:
        build(data(mask), **options)
    assert '\n' not in str(error.value)
    assert 'trainannot' in str(error.value) or 'give background=' in str(error.value)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(foreground=256), 'foreground=256: give a value from 0 to 255, a colour'),
        (dict(foreground=True), 'foreground=True'),
        (dict(foreground='reddish'), "foreground='reddish': give a value"),
        (dict(foreground=(1, 2)), r'foreground=\(1, 2\)'),
        (dict(foreground=[]), r'foreground=\[\]'),
        (dict(foreground=[255, 0, 0]), r'foreground=\[255, 0, 0\]: give each value or colour once; .*tuple'),
        (dict(foreground=1, ignore=[2, 1]), r'1\b.* is in two of them'),
        (dict(foreground='white', ignore=255), 'is in two of them'),
        (dict(background=255), 'background=255: give foreground= too'),
        (dict(name='Background'), 'name='),
        (dict(name=''), 'name='),
        (dict(name='crack', metainfo=dict(classes=('background', 'hole'))), "name='crack': give one"),
        (dict(values={0: 'a', 1: 'b'}), "values= is BinarySegDataset's"),
        (dict(keep_classes=True), 'keep_classes=True: masks have two classes only'),
    ],
    ids=str,
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        BinaryMaskDataset(lazy_init=True, **options)


@pytest.mark.parametrize(
    ('good', 'bad', 'options', 'message'),
    [
        (
            grey(CRACK * 255),
            grey(CRACK * 7),
            {},
            r'label value 7 \(the data set knows 0, 255\), which 3 pixels have; .*foreground=',
        ),
        (coloured(RED), coloured(BLUE), dict(foreground=RED), r'the colour #0000ff of 3 pixels is neither'),
        (grey(CRACK * 255), coloured(RED), {}, r'colour; its values are \(0, 0, 0\), \(255, 0, 0\)'),
        (grey(CRACK * 255), grey(CRACK[:, 1:] * 255), {}, r'the label map is 4x2, but its photograph .* is 5x2'),
    ],
    ids=shown,
)
def test_a_file_that_was_not_looked_at_is_checked_when_it_is_read(data, monkeypatch, good, bad, options, message):
    """In training, in validation and by the check of all label maps alike."""
    monkeypatch.setattr('mmseg_bisenet_lite.datasets.mask_search.ENOUGH', 1)
    monkeypatch.setattr('mmseg_bisenet_lite.datasets.mask_search.MOST', 1)
    root = data(good, good)
    dataset = build(root, **options)
    bad.save(root / 'trainannot' / 'b.png')
    assert np.array_equal(labels(dataset, 0), CRACK)
    for read in (lambda: dataset[1], lambda: checked(dataset)):
        with pytest.raises(InputError, match=rf'trainannot/b\.png: .*{message}') as error:
            read()
        assert '\n' not in str(error.value)


def test_foreground_in_one_of_many_masks_is_found(data, monkeypatch):
    monkeypatch.setattr('mmseg_bisenet_lite.datasets.mask_search.ENOUGH', 2)
    empty = grey(CRACK * 0)
    dataset = build(data(empty, empty, grey(CRACK * 255), empty))
    assert dataset.meaning.foreground == (255,)
    # Ignored pixels are none.
    border, rare = np.full_like(CRACK, 255, np.uint8), np.uint8(CRACK)
    border[0, 0] = 0
    rare[0, 0] = 255
    dataset = build(data(grey(border), grey(border), grey(rare), grey(border)), ignore=255)
    assert dataset.meaning.foreground == (1,)
    with pytest.raises(InputError, match='have no other value than 0, 255, so nobody knows what the foreground is'):
        build(data(*[grey(border)] * 4), ignore=255)


@pytest.mark.parametrize('values', [1, 2, 8, 9, 300])
def test_values_are_counted(values):
    pixels = np.random.default_rng(0).integers(values, size=(70, 90)).astype(np.uint32) * 1000
    assert _count(pixels) == dict(zip(*(part.tolist() for part in np.unique(pixels, return_counts=True)), strict=True))


def test_of_large_masks_fewer_are_looked_at(data, monkeypatch):
    looked = []
    monkeypatch.setattr(mask_search, '_count', lambda pixels: looked.append(1) or _count(pixels))
    root = data(*[grey(CRACK * 255)] * 4)
    build(root)
    monkeypatch.setattr(mask_search, 'ENOUGH_PIXELS', 2 * CRACK.size)
    build(root)
    assert len(looked) == 4 + 2


def test_a_mask_full_of_foreground_is_understood_and_a_set_of_them_refused_by_the_check(data):
    dataset = build(data(grey(np.full((2, 5), 255))))
    assert labels(dataset).all()
    with pytest.raises(InputError, match=r'no pixel of background.* hold 255 \(foreground\) in 1 files such as .*a\.png'):
        checked(dataset)


def test_the_check_names_colours(data):
    with pytest.raises(
        InputError, match=r'no pixel of hole.* hold #000000 \(background\), #ff0000|hold #000000 \(background\) in 1'
    ):
        checked(build(data(coloured((0, 0, 0))), foreground=RED, name='hole'))


def test_train_and_val_must_agree(data):
    root = data(grey(CRACK * 255))
    data(grey(CRACK * 1), split='val')
    val = dict(img_path='val', seg_map_path='valannot')
    with pytest.raises(InputError, match=r'trainannot and .*valannot do not agree: .* 255 is foreground, .* 1 is foreground'):
        require_agreement(build(root), build(root, data_prefix=val))
    require_agreement(build(root, foreground=255), build(root, data_prefix=val, foreground=1))  # somebody says so
    data(grey(CRACK * 255), split='val')
    require_agreement(build(root), build(root, data_prefix=val))
    require_agreement(build(root), build(root, data_prefix=val, foreground=255, background='rest'))


def test_jpeg_masks_are_refused(data):
    root = data(grey(np.kron(CRACK, np.full((5, 5), 255))), ending='jpg')
    with pytest.raises(InputError, match=r'found no label maps .* .png or .bmp or .*, only 1 \.jpg; .*without loss'):
        build(root)
    with pytest.raises(InputError, match=r'not clear|soft edges'):
        build(root, seg_map_suffix='.jpg')


@pytest.mark.parametrize(('ending', 'suffix'), [('bmp', None), ('tif', None), ('webp', None), ('mask.png', '.mask.png')])
def test_masks_with_other_endings(data, ending, suffix):
    options = dict(lossless=True) if ending == 'webp' else {}
    dataset = build(data(coloured((255, 255, 255)), ending=ending, **options), seg_map_suffix=suffix)
    assert np.array_equal(labels(dataset), CRACK)


@pytest.mark.parametrize('name', ['über uns', 'a b', "it's", 'x.y', '%d'])
def test_names_of_every_kind(data, name):
    root = data(coloured(RED))
    for folder, ending in (('train', 'jpg'), ('trainannot', 'png')):
        (root / folder / f'a.{ending}').rename(root / folder / f'{name}.{ending}')
    assert np.array_equal(labels(build(root, foreground='red')), CRACK)


def test_tiles_and_the_cache_work_with_colours(data, tmp_path):
    root = data(coloured(RED))
    options = dict(foreground=RED, tiles=(1, 2), cache_dir=str(tmp_path / 'cache'))
    for _ in range(2):
        dataset = build(root, **options)
        assert np.array_equal(np.hstack([labels(dataset, 0), labels(dataset, 1)]), CRACK)
    assert len(list((tmp_path / 'cache').glob('*.npy'))) == 2


def test_an_own_loader_works_for_values_and_is_refused_for_colours(data):
    """Which would take the indices of a palette for the numbers of its colours."""

    class ReadMask:
        def __call__(self, results):
            results['gt_seg_map'] = np.asarray(Image.open(results['seg_map_path']))
            results['seg_fields'].append('gt_seg_map')
            return results

    root = data(palette(CRACK * 1, (0, 0, 0), RED))
    pipeline = [LOAD[0], ReadMask(), LOAD[2]]
    assert np.array_equal(labels(build(root, pipeline)), CRACK)
    with pytest.raises(InputError, match='masks in colours are read by LoadAnnotations only'):
        build(root, pipeline, foreground=RED)[0]


def test_options_survive_every_kind_of_config(data, tmp_path):
    root = data(coloured(RED))
    written = dict(type='BinaryMaskDataset', name='crack', foreground='#ff0000', background=['black'])
    for suffix in ('.py', '.json', '.yaml'):
        path = tmp_path / f'dumped{suffix}'
        Config(dict(dataset=written)).dump(path)
        loaded = dict(Config.fromfile(path).dataset)
        dataset = DATASETS.build(loaded | dict(data_root=str(root), data_prefix=FOLDERS, pipeline=LOAD))
        assert np.array_equal(labels(dataset), CRACK)
        assert metainfo_of(loaded)['classes'] == dataset.metainfo['classes'] == ('background', 'crack')


def test_masks_that_no_photograph_uses_may_hold_anything(data):
    root = data(grey(CRACK * 255), grey(CRACK * 255))
    coloured((200, 30, 40)).save(root / 'trainannot' / 'legend.png')
    (root / 'trainannot' / 'broken.png').write_bytes(b'no image')
    dataset = build(root, name='crack')
    assert len(dataset) == 2
    assert np.array_equal(labels(dataset), CRACK)
    cv2.imwrite(str(root / 'train' / 'legend.jpg'), np.full((*CRACK.shape, 3), 90, np.uint8))
    with pytest.raises(InputError, match=r'legend|colour'):
        build(root, name='crack')


def test_a_list_may_name_empty_masks_alone(data):
    root = data(grey(CRACK * 0), grey(CRACK * 255))
    (root / 'negatives.txt').write_text('a\n')
    dataset = build(root, name='crack', ann_file='negatives.txt')
    assert len(dataset) == 1
    assert dataset.meaning.told() == 'grey, 0 is background, 255 is foreground'
