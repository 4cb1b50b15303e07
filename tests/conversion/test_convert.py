"""From exports of labelme, CVAT and COCO, and from folders of masks, to a data set that can be trained on."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_bisenet_lite.conversion import writer
from mmseg_bisenet_lite.conversion.convert import ConvertConfig, convert
from mmseg_bisenet_lite.utils.errors import InputError

from .conftest import SIZE, labelme_shape, write_coco, write_cvat, write_labelme

SQUARE = [[10, 5], [20, 5], [20, 15], [10, 15]]  # of 10x10 pixels
HOLE = [[12, 7], [18, 7], [18, 13], [12, 13]]
CVAT_MASK = '<mask label="crack" rle="0, 6" left="1" top="2" width="3" height="2"></mask>'
needs_coco = pytest.mark.usefixtures('coco')


@pytest.fixture
def coco():
    return pytest.importorskip('pycocotools.mask', reason='pycocotools, of the extra convert, draws polygons')


def box(left, top, right, bottom, value=255):
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[top:bottom, left:right] = value
    return mask


def square(**_):
    mask = box(10, 5, 20, 15)
    mask[7:13, 12:18] = 0
    return mask


def data_sets(out):
    config = Config.fromfile(next(out.glob('*.py')))
    assert config.test_dataloader == config.val_dataloader
    return [DATASETS.build(loader.dataset) for loader in (config.train_dataloader, config.val_dataloader)]


@needs_coco
def test_labelme(photographs, converted, tmp_path):
    folder = photographs('labelled', 'a.jpg', 'b ä.jpg', 'c.jpg', 'd.jpg', 'not looked at.jpg')
    hole = labelme_shape('hole', HOLE)
    write_labelme(folder / 'a.json', labelme_shape('crack', SQUARE), hole)
    write_labelme(folder / 'b ä.json', labelme_shape('crack', [[20, 15], [10, 5]], 'rectangle'), image='.\\b ä.jpg')
    pixels = np.uint8([[0, 1, 1], [1, 1, 0]]) * 255
    write_labelme(
        folder / 'c.json', labelme_shape('crack', [[4, 6], [6, 7]], 'mask', pixels), labelme_shape('__ignore__', SQUARE)
    )
    write_labelme(folder / 'd.json')
    (folder / 'other.json').write_text('{"kind": "of another program"}')
    lines, masks = converted(folder, 'crack', background=['hole'], val=0.3)
    assert np.array_equal(masks['a.jpg'], square())
    assert np.array_equal(masks['b ä.jpg'], box(10, 5, 20, 15))
    expected = box(10, 5, 20, 15, 128)
    expected[6:8, 4:7] = pixels
    assert np.array_equal(masks['c.jpg'], expected)
    assert not masks['d.jpg'].any()
    text = '\n'.join(lines)
    assert f'{tmp_path}/out: 3 images for train, 1 for val; the config is {tmp_path}/out/out.py' in text
    assert 'background: hole (1 shapes)' in text
    assert 'background only, since nothing is annotated in them: 1 images: d.jpg' in text
    assert f'left out, since they have no annotation: 1 images: {folder}/not looked at.jpg' in text
    assert f'crack: {100 * (64 + 100 + 4) / (4 * 1200):.3g} % of the pixels' in text
    train, val = data_sets(tmp_path / 'out')
    assert (len(train), len(val)) == (3, 1)
    assert train.metainfo['classes'] == ('background', 'crack')
    assert train.meaning.told() == 'grey, 0 is background, 255 is foreground, 128 is ignored'
    assert set(val[0]['data_samples'].gt_sem_seg.data.unique().tolist()) <= {0, 1, 255}


@needs_coco
def test_areas_of_curves(photographs, converted):
    folder = photographs('labelled', 'a.jpg', 'b.jpg')
    write_labelme(folder / 'a.json', labelme_shape('crack', [[20, 15], [26, 23]], 'circle'))
    write_labelme(folder / 'b.json', labelme_shape('crack', [[0.25, 3.2], [40, 3.2], [40, 6.2], [0.25, 6.2]]))
    _, masks = converted(folder, 'crack', val='b*')
    rows, columns = np.indices(SIZE[::-1]) + 0.5
    disc = (rows - 15) ** 2 + (columns - 20) ** 2 < 10**2
    assert ((masks['a.jpg'] > 0) != disc).mean() < 0.01
    assert (masks['b.jpg'] > 0).sum() == 40 * 3  # of three pixels' width, wherever it lies


def test_cvat_for_images(photographs, converted, coco):
    folder = photographs('task/images', 'a.jpg', 'drive 1/b.jpg', 'c.jpg').parent
    polygon = '<polygon label="{}" source="manual" occluded="0" points="{}" z_order="{}"></polygon>'
    points, hole = (';'.join(f'{x:.2f},{y:.2f}' for x, y in outline) for outline in (SQUARE, HOLE))
    # The hole comes first in the file, and is above by its z_order.
    place = 'left="5" top="4" width="3" height="2"'
    runs = f'<mask label="crack" source="semi-auto" occluded="0" rle="1, 2, 2, 1" {place} z_order="0"></mask>'
    turned = (
        '<box label="crack" source="manual" occluded="0" xtl="10" ytl="10" xbr="30" ybr="20" rotation="90.0" z_order="0"></box>'
    )
    write_cvat(
        folder,
        {
            'a.jpg': polygon.format('wall', hole, 1)
            + polygon.format('crack', points, 0)
            + '<tag label="wet" source="manual"></tag>',
            'drive 1/b.jpg': runs + turned,
            'c.jpg': '',
        },
    )
    for source in (folder, folder / 'annotations.xml'):
        lines, masks = converted(source, 'crack', background=['rest'])
        assert np.array_equal(masks['a.jpg'], square())
        expected = box(15, 5, 25, 25)
        expected[4:6, 5:8] = np.uint8([[0, 1, 1], [0, 0, 1]]) * 255
        assert np.array_equal(masks['drive 1/b.jpg'], expected)
        assert 'nothing is annotated in them: 1 images: c.jpg' in '\n'.join(lines)
        shutil.rmtree(folder.parent / 'out')
    _, masks = converted(folder, 'crack', background=['wall'], skip_empty=True)
    assert sorted(masks) == ['a.jpg', 'drive 1/b.jpg']


def test_the_subsets_of_a_project_of_cvat(photographs, converted):
    folder = photographs('task/images', 'default/a.jpg', 'default/b.jpg').parent
    write_cvat(folder, dict.fromkeys(('a.jpg', 'b.jpg'), CVAT_MASK))
    _, masks = converted(folder, 'crack')
    assert sorted(masks) == ['default/a.jpg', 'default/b.jpg']
    assert np.array_equal(masks['default/a.jpg'], box(1, 2, 4, 4))


def test_coco(photographs, converted, coco):
    folder = photographs('task/images', 'a.jpg', 'b.jpg', 'c.jpg').parent
    blob = box(3, 4, 9, 8) > 0
    packed = coco.encode(np.asfortranarray(blob.astype(np.uint8)))
    runs = [0, *np.flatnonzero(np.diff(blob.ravel(order='F').astype(int))) + 1, blob.size]
    segmentations = [
        [np.ravel(SQUARE).tolist(), [0, 0, 2, 0, 2, 2, 0, 2]],
        dict(size=[30, 40], counts=packed['counts'].decode()),
        dict(size=[30, 40], counts=[int(run) for run in np.diff(runs)]),
    ]
    (folder / 'annotations').mkdir()
    images = dict(zip(('a.jpg', 'b.jpg', 'c.jpg'), segmentations, strict=True))
    write_coco(folder / 'annotations' / 'instances_default.json', images)
    _, masks = converted(folder, 'crack')
    assert np.array_equal(masks['a.jpg'], box(10, 5, 20, 15) | box(0, 0, 2, 2))
    for name in 'bc':
        assert np.array_equal(masks[f'{name}.jpg'] > 0, blob)


@pytest.mark.parametrize(
    'given',
    ['../images/{}', '../../../elsewhere/{}', '/home/somebody/images/{}', r'C:\somebody\images\{}', r'..\images\{}'],
)
def test_paths_of_coco_do_not_leave_the_folders(photographs, converted, tmp_path, coco, given):
    """Annotation tools write the paths of the machine on which the images were annotated."""
    folder = photographs('task/images', 'a.jpg', 'b.jpg').parent
    names = [given.format(name) for name in ('a.jpg', 'b.jpg')]
    write_coco(folder / 'instances.json', {key: [np.ravel(SQUARE).tolist()] for key in names})
    _, masks = converted(folder / 'instances.json', 'crack', images=folder / 'images')
    assert [Path(name).name for name in masks] == ['a.jpg', 'b.jpg']
    assert all((mask > 0).sum() == 100 for mask in masks.values())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['out', 'task']
    assert sorted(entry.name for entry in (tmp_path / 'out').iterdir()) == ['out.py', 'train', 'trainannot', 'val', 'valannot']


@needs_coco
def test_two_entries_do_not_take_one_photograph(photographs, converted):
    folder = photographs('task/images', 'a.jpg').parent
    write_coco(folder / 'instances.json', {key: [np.ravel(SQUARE).tolist()] for key in ('cam1/a.jpg', 'cam2/a.jpg')})
    with pytest.raises(InputError, match=r'image cam2/a.jpg: its image .*a.jpg is that of .*image cam1/a.jpg too; check'):
        converted(folder / 'instances.json', 'crack', images=folder / 'images')


def test_images_lie_below_their_folder(tmp_path):
    for name in ('../a.jpg', 'x/../../a.jpg', '/a.jpg'):
        with pytest.raises(InputError, match=r'a\.jpg: an image must lie below its folder'):
            writer.write([writer.Item(name, Path(), Path())] * 2, tmp_path / 'out', 0.5, {}, lambda *_: None)


def test_the_frames_of_a_video_of_cvat(photographs, converted):
    """The annotations name them without their ending."""
    folder = photographs('task/images', 'frame_000000.png', 'default/frame_000001.PNG').parent
    write_cvat(folder, dict.fromkeys(('frame_000000', 'frame_000001'), CVAT_MASK))
    _, masks = converted(folder, 'crack')
    assert sorted(masks) == ['default/frame_000001.PNG', 'frame_000000.png']
    assert all((each > 0).sum() == 6 for each in masks.values())


def test_cvat_segmentation_mask(photographs, converted, tmp_path):
    folder = photographs('task/JPEGImages', 'a.jpg', 'b.jpg').parent
    (folder / 'labelmap.txt').write_text(
        '# label:color_rgb:parts:actions\nbackground:0,0,0::\ncrack:128,0,0::\nwall:0,128,0::\n'
    )
    (folder / 'SegmentationClass').mkdir()
    for name, kind in (('a', 'RGB'), ('b', 'P')):
        mask = Image.fromarray(np.uint8(np.where(square()[..., None] > 0, (128, 0, 0), (0, 128, 0))))
        mask = mask if kind == 'RGB' else mask.quantize()
        mask.save(folder / 'SegmentationClass' / f'{name}.png')
    lines, _ = converted(folder, 'crack', background=['wall'])
    assert 'masks: colours, #000000, #008000 is background, #800000 is crack' in lines
    train, val = data_sets(tmp_path / 'out')
    for dataset in (train, val):
        steps = dataset.pipeline.transforms
        dataset.pipeline.transforms = [step for step in steps if type(step).__name__.startswith('Load')]
        assert np.array_equal(dataset[0]['gt_seg_map'], square() > 0)
        assert dataset.metainfo['classes'] == ('background', 'crack')


def test_folders_of_images_and_masks(photographs, converted, tmp_path):
    folder = photographs('mine/Images', *(f'{n}.jpg' for n in range(10)), 'without.jpg').parent
    other = photographs('out.tmp', 'a.jpg') / 'a.jpg'
    (folder / 'masks').mkdir()
    for n in range(10):
        cv2.imwrite(str(folder / 'masks' / f'{n}_mask.png'), square())
    lines, masks = converted(folder, name='crack')
    assert lines[0].startswith(f'{tmp_path}/out: 8 images for train, 2 for val')
    assert lines[1:] == [
        'masks: grey, 0 is background, 255 is crack',
        f'left out, since they have no annotation: 1 images: {folder}/Images/without.jpg',
    ]
    assert len(masks) == 10
    assert other.exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['mine', 'out', 'out.tmp']
    assert all(np.array_equal(mask, square()) for mask in masks.values())
    assert (folder / 'Images' / '3.jpg').stat().st_nlink == 2  # not a copy
    for mask in (tmp_path / 'out').glob('*annot/*.png'):  # whoever mends them does not lose his own
        cv2.imwrite(str(mask), square() // 255)
    assert np.array_equal(cv2.imread(str(folder / 'masks' / '3_mask.png'), 0), square())
    assert [len(each) for each in data_sets(tmp_path / 'out')] == [8, 2]


@pytest.mark.parametrize('write', [square, lambda: np.uint8(square()[..., None] > 0) * np.uint8((0, 0, 200))])
def test_few_masks_with_foreground_are_on_both_sides(photographs, converted, tmp_path, write):
    folder = photographs('mine/images', *(f'{n:02}.jpg' for n in range(40))).parent
    (folder / 'masks').mkdir()
    for n in range(40):
        cv2.imwrite(str(folder / 'masks' / f'{n:02}.png'), write() * np.uint8(n in (3, 30)))
    options = {} if write is square else dict(background=['black'])
    converted(folder, *([] if write is square else ['#c80000']), name='crack', **options)
    for dataset in data_sets(tmp_path / 'out'):
        steps = dataset.pipeline.transforms
        dataset.pipeline.transforms = [step for step in steps if type(step).__name__.startswith('Load')]
        found = [sample['gt_seg_map'] for sample in dataset]
        assert sum(each.any() for each in found) == 1
        assert {int(value) for each in found for value in np.unique(each)} == {0, 1}


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (np.full((30, 40), 300, np.uint16), r'99\.png: a label map must have 1 channel of uint8, not'),
        (np.zeros((30, 40, 3), np.uint8), r'99\.png: a label map must have 1 channel of uint8, not'),
        (np.full((30, 40), 128, np.uint8), r'99\.png: .*128.*\(here --foreground, --background and --ignore\)'),
    ],
)
def test_a_wrong_mask_among_many_is_named(photographs, converted, wrong, message):
    folder = photographs('mine/images', *(f'{n:02}.jpg' for n in range(100))).parent
    (folder / 'masks').mkdir()
    for n in range(100):  # more than are looked at to find out what the values mean
        cv2.imwrite(str(folder / 'masks' / f'{n:02}.png'), wrong if n == 99 else square())
    with pytest.raises(InputError, match=message):
        converted(folder, name='crack')


def test_masks_of_several_formats_and_twins_are_named(photographs, converted):
    folder = photographs('mine/images', 'a.jpg', 'b.jpg').parent
    (folder / 'masks').mkdir()
    for name in ('a.png', 'b.tif'):
        cv2.imwrite(str(folder / 'masks' / name), square())
    with pytest.raises(InputError, match=r'a\.png, .*b\.tif: masks of several formats; save them all in one, such as PNG'):
        converted(folder, name='crack')
    cv2.imwrite(str(folder / 'masks' / 'b.png'), square())
    with pytest.raises(InputError, match=r'b\.png and .*b\.tif are two masks of one image; remove one'):
        converted(folder, name='crack')


@needs_coco
def test_images_that_are_left_out_may_be_gone(photographs, converted):
    folder = photographs('labelled', 'a.jpg', 'b.jpg')
    (folder / 'gone').mkdir()
    for name in 'ab':
        write_labelme(folder / f'{name}.json', labelme_shape('crack', SQUARE))
    write_labelme(folder / 'c.json', image='other/c.jpg')
    _, masks = converted(folder, 'crack', skip_empty=True)
    assert sorted(masks) == ['a.jpg', 'b.jpg']


def test_the_split_is_stable_and_has_foreground_on_both_sides():
    items = [writer.Item(f'{n}.jpg', Path(), Path(), n % 10 == 0) for n in range(100)]
    parts = writer.split(items, 0.2)
    assert (len(parts['train']), len(parts['val'])) == (80, 20)
    assert sum(item.foreground for item in parts['val']) == 2
    again = writer.split(items[::-1], 0.2)
    assert {item.name for item in again['val']} == {item.name for item in parts['val']}
    by_name = writer.split(items, '9*')
    assert {item.name for item in by_name['val']} == {'9.jpg', *(f'9{n}.jpg' for n in range(10))}
    for val in ('x*', '*'):
        with pytest.raises(InputError, match=r'--val .*: leaves none of 100 images for'):
            writer.split(items, val)


def test_lines_need_a_width(photographs, converted, coco):
    folder = photographs('labelled', 'a.jpg', 'b.jpg')
    for name in 'ab':
        write_labelme(folder / f'{name}.json', labelme_shape('crack', [[5, 10.5], [30, 10.5]], 'linestrip'))
    with pytest.raises(InputError, match=r'a\.json: a shape of crack is a line.*--line-width'):
        converted(folder, 'crack')
    assert not list(folder.parent.glob('out*'))  # nothing half-written
    _, masks = converted(folder, 'crack', line_width=3)
    assert (masks['a.jpg'][:, 15] > 0).sum() == 3
    assert np.flatnonzero(masks['a.jpg'][:, 15]).tolist() == [9, 10, 11]


@pytest.mark.parametrize(
    ('foreground', 'options', 'message'),
    [
        ([], {}, r'say which labels are foreground with --foreground; there are crack \(1\), crak \(1\)'),
        (['Crack'], {}, r'there is no label Crack; the labels are crack \(1\), crak \(1\)'),
        (['crack'], {}, r'is crak foreground, background or neither\?'),
        (['crack', 'crak'], dict(ignore=['crak']), 'name each label once'),
        (['crack'], dict(background=['rest'], ignore=['wal']), 'there is no label wal;'),
    ],
)
def test_labels_that_are_not_clear_are_one_error(photographs, converted, foreground, options, message):
    folder = photographs('labelled', 'a.jpg', 'b.jpg')
    write_labelme(folder / 'a.json', labelme_shape('crack', SQUARE))
    write_labelme(folder / 'b.json', labelme_shape('crak', SQUARE))
    with pytest.raises(InputError, match=message) as error:
        converted(folder, *foreground, **options)
    assert '\n' not in str(error.value)


def test_a_label_of_other_exports_is_told(photographs, converted):
    folder = photographs('labelled', 'a.jpg', 'b.jpg')
    for name in 'ab':
        write_labelme(folder / f'{name}.json', labelme_shape('crack', [[4, 6], [6, 7]], 'mask', np.ones((2, 3))))
    lines, _ = converted(folder, 'crack', background=['wall'])
    assert 'no shape here has the label wall' in lines


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(shapes=None), 'not as labelme writes it'),
        (dict(imagePath=None), 'not as labelme writes it'),
        (dict(imagePath='gone.jpg'), r'its image .*gone.jpg is missing \(1 of 2 are\).*--images'),
        (dict(imageWidth=30, imageHeight=40), r'annotated at 30x40, but .*a.jpg is 40x30'),
        (dict(shapes=[labelme_shape('crack', [[1, 1]], 'point')]), 'annotated with a point, which has no area'),
        (dict(shapes=[labelme_shape('crack', [[1, 1], [float('nan'), 2], [3, 3]])]), 'coordinate that is no number'),
        (dict(shapes=[labelme_shape('crack', [[1, 1], [1e9, 2], [3, 3]])]), 'coordinate that is no number or far away'),
        (dict(shapes=[labelme_shape('crack', [[1, 1], [2, 2]])]), 'polygon of fewer than 3 points'),
        (dict(shapes=[labelme_shape('crack', [[38, 1], [42, 2]], 'mask', np.ones((2, 5)))]), 'goes beyond its image of 40x30'),
        (dict(shapes=[labelme_shape('crack', [[1, 1], [2, 2]], 'mask')]), 'not as labelme writes it'),
        (dict(shapes=[{**labelme_shape('crack', SQUARE), 'points': [1, 2]}]), 'not as labelme writes it'),
    ],
    ids=str,
)
def test_wrong_annotations_of_labelme_are_named(photographs, converted, change, message):
    folder = photographs('labelled', 'a.jpg', 'b.jpg')
    for name in 'ab':
        write_labelme(folder / f'{name}.json', labelme_shape('crack', [[4, 6], [6, 7]], 'mask', np.ones((2, 3))))
    content = json.loads((folder / 'a.json').read_text())
    (folder / 'a.json').write_text(json.dumps(content | change))
    with pytest.raises(InputError, match=message) as error:
        converted(folder, 'crack')
    assert 'a.json' in str(error.value)
    assert '\n' not in str(error.value)
    assert not list(folder.parent.glob('out*'))


@pytest.mark.parametrize(
    ('shapes', 'message'),
    [
        ('<points label="crack" points="1,2"></points>', 'annotated with points, which has no area'),
        ('<polygon label="crack" points="1,2;x,3"></polygon>', 'not as CVAT writes it'),
        ('<mask label="crack" rle="1, 2" left="0" top="0" width="3" height="2"></mask>', 'have 3 pixels, not 3x2'),
        ('<mask label="crack" rle="0, 6" left="39" top="0" width="3" height="2"></mask>', 'goes beyond its image'),
        ('<polygon label="crack">', 'not as CVAT writes it: mismatched tag'),
        ('<track id="0" label="crack"></track>', 'CVAT for images 1.1'),
    ],
)
def test_wrong_annotations_of_cvat_are_named(photographs, converted, shapes, message):
    folder = photographs('task/images', 'a.jpg', 'b.jpg').parent
    write_cvat(folder, {'a.jpg': shapes, 'b.jpg': ''})
    with pytest.raises(InputError, match=message) as error:
        converted(folder, 'crack')
    assert 'annotations.xml' in str(error.value)


def test_entities_do_not_grow(tmp_path, converted):
    levels = ''.join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    file = tmp_path / 'annotations.xml'
    file.write_text(f'<!DOCTYPE x [<!ENTITY a0 "ten times">{levels}]><annotations><version>&a11;</version></annotations>')
    with pytest.raises(InputError, match='not as CVAT writes it'):
        converted(file, 'crack')


def test_sources_that_are_not_understood_are_named(photographs, converted, tmp_path):
    folder = photographs('photographs', 'a.jpg')
    (tmp_path / 'task.zip').touch()
    with pytest.raises(InputError, match=r'nothing here is understood; give a folder with JSON files of labelme; '):
        converted(folder, 'crack')
    with pytest.raises(InputError, match=r'task.zip: unpack it'):
        converted(tmp_path / 'task.zip', 'crack')
    with pytest.raises(InputError, match=r'absent: there is no such'):
        converted(tmp_path / 'absent', 'crack')
    with pytest.raises(InputError, match='is not empty; remove it'):
        convert(ConvertConfig(folder, folder, ['crack']), lambda *_: None)
    with pytest.raises(InputError, match=r'--out \.: give a folder by its name, such as data/mine'):
        convert(ConvertConfig(folder, Path(), ['crack']), lambda *_: None)


def test_images_that_would_share_a_mask_are_named(photographs, converted):
    folder = photographs('labelled', 'a.jpg', 'a.png')
    for number, name in enumerate(('a.jpg', 'a.png')):
        write_labelme(folder / f'{number}.json', labelme_shape('crack', [[4, 6], [6, 7]], 'mask', np.ones((2, 3))), image=name)
    with pytest.raises(InputError, match=r'a\.png and a\.jpg differ only in their endings'):
        converted(folder, 'crack')
    write_labelme(folder / '1.json', labelme_shape('crack', [[4, 6], [6, 7]], 'mask', np.ones((2, 3))), image='a.jpg')
    with pytest.raises(InputError, match=r'a\.jpg is annotated twice'):
        converted(folder, 'crack')
