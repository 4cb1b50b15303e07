import logging
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadAnnotations as MMCVLoadAnnotations
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image

import mmseg_bisenet_lite
from mmseg_bisenet_lite import BinarySegDataset, CamVidVehicleDataset
from mmseg_bisenet_lite.utils.errors import InputError

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
TRAIN = dict(img_path='train', seg_map_path='trainmasks')
MASK = np.uint8([[0, 255, 255, 0], [0, 255, 0, 0]])


class LoadMyMasks(LoadAnnotations):
    """A user's loader that changes nothing."""


class ReadMask:
    """A user's loader that has nothing in common with MMSegmentation's, and gives another type of numbers."""

    def __call__(self, results):
        results['gt_seg_map'] = np.asarray(Image.open(results['seg_map_path'])).astype(np.int64)
        results['seg_fields'].append('gt_seg_map')
        return results


class ReadMaskAnew(ReadMask):
    """Another one, which returns only what it knows."""

    def __call__(self, results):
        known = ('img', 'ori_shape', 'img_shape', 'img_path', 'seg_map_path', 'seg_fields')
        return super().__call__({key: results[key] for key in known})


class Crop:
    """A user's transform after the loader."""

    def __call__(self, results):
        results['img'], results['gt_seg_map'] = results['img'][:, 1:], results['gt_seg_map'][:, 1:]
        return results


class Inverted(BinarySegDataset):
    """A class of a few lines: 0 is the object."""

    METAINFO: ClassVar = dict(classes=('rest', 'object'), palette=[[0, 0, 0], [255, 0, 0]])
    VOCABULARIES: ClassVar = {'.png': {0: 'object', 255: 'rest'}}


@pytest.fixture
def data(tmp_path):
    """Three photographs with masks of 0 and 255."""
    for folder in TRAIN.values():
        (tmp_path / folder).mkdir()
    for name in 'abc':
        cv2.imwrite(str(tmp_path / 'train' / f'{name}.jpg'), np.full((*MASK.shape, 3), 90, np.uint8))
        cv2.imwrite(str(tmp_path / 'trainmasks' / f'{name}.png'), MASK)
    return tmp_path


def build(root, kind=BinarySegDataset, pipeline=LOAD, **options):
    # Serialising the list of files collects all garbage of the process, which takes most of a second.
    options = dict(data_prefix=TRAIN, serialize_data=False) | options
    return kind(data_root=str(root), pipeline=pipeline, **options)


def labels(dataset, index=0):
    return dataset[index]['data_samples'].gt_sem_seg.data[0].tolist()


def test_masks_of_0_and_255_from_a_config(data):
    kind = dict(type='BinarySegDataset', data_root=str(data), data_prefix=TRAIN, pipeline=LOAD)
    assert labels(DATASETS.build(kind)) == (MASK == 255).astype(int).tolist()
    named = dict(values={0: None, 255: 'crack'}, foreground='crack', metainfo=dict(classes=('background', 'crack')))
    dataset = DATASETS.build({**kind, **named})
    assert labels(dataset) == np.where(MASK == 255, 1, 255).tolist()
    assert dataset.metainfo['classes'] == ('background', 'crack')
    assert 'BinarySegDataset' in mmseg_bisenet_lite.__all__


def test_values_survive_every_kind_of_config(data, tmp_path):
    config = Config(dict(dataset=dict(type='BinarySegDataset', values={0: 'wall', 255: 'crack'}, foreground='crack')))
    for suffix in ('.py', '.json', '.yaml'):
        path = tmp_path / f'dumped{suffix}'
        config.dump(path)
        loaded = dict(Config.fromfile(path).dataset)
        dataset = DATASETS.build(loaded | dict(data_root=str(data), data_prefix=TRAIN, pipeline=LOAD))
        assert labels(dataset) == (MASK == 255).astype(int).tolist()


@pytest.mark.parametrize(
    'values', [{256: 'a', 0: 'b'}, {-1: 'a', 0: 'b'}, {True: 'a', 0: 'b'}, {'a': 0, 'b': 1}, {0: 'a'}, {}, ['a', 'b']]
)
def test_wrong_values_are_named(data, values):
    with pytest.raises(InputError, match='values='):
        build(data, values=values, foreground='a')


@pytest.mark.parametrize(
    'load',
    [
        dict(type='LoadAnnotations'),
        dict(type='mmseg.LoadAnnotations'),
        dict(type='mmseg.datasets.transforms.LoadAnnotations'),
        dict(type='mmseg.datasets.transforms.loading.LoadAnnotations'),
        dict(type='mmcv.LoadAnnotations'),
        dict(type=LoadAnnotations),
        dict(type=MMCVLoadAnnotations),
        dict(type=LoadMyMasks),
        dict(type=f'{__name__}.LoadMyMasks'),
        dict(type=ReadMask),
        dict(type=ReadMaskAnew),
        LoadMyMasks(),
        ReadMask(),
        dict(type='RandomApply', prob=1.0, transforms=dict(type=LoadMyMasks)),
        dict(type='RandomChoice', transforms=[dict(type=LoadMyMasks), [dict(type='LoadAnnotations')]]),
    ],
    ids=lambda load: str(load['type']) if isinstance(load, dict) else type(load).__name__,
)
@pytest.mark.parametrize('kind', [BinarySegDataset, Inverted])
def test_labels_are_mapped_whatever_the_loader_is_called(data, kind, load):
    pipeline = [dict(type=LoadImageFromFile), load, dict(type=Crop), dict(type=PackSegInputs)]
    foreground = kind.METAINFO['classes'][1]
    wanted = (255 if kind is BinarySegDataset else 0) == MASK
    assert labels(build(data, kind, pipeline, foreground=foreground)) == wanted[:, 1:].astype(int).tolist()


def test_a_registered_loader_is_found_by_its_name(data):
    name = 'LoadMasksOfThisTest'
    TRANSFORMS.register_module(name=name, force=True, module=ReadMask)
    try:
        for written in (name, f'mmseg.{name}'):
            assert labels(build(data, pipeline=[LOAD[0], dict(type=written), LOAD[2]])) == (MASK == 255).astype(int).tolist()
    finally:
        del TRANSFORMS.module_dict[name]


def test_users_loaders_are_checked(data):
    cv2.imwrite(str(data / 'trainmasks' / 'a.png'), MASK // 255 * 7)
    for load in (LoadMyMasks(), ReadMask()):
        with pytest.raises(InputError, match=r'trainmasks/a.png: no class .* label value 7 \(the data set knows 0, 255\)'):
            build(data, pipeline=[LOAD[0], load, LOAD[2]])[0]


@pytest.mark.parametrize(
    'classes', [('vehicle', 'background'), ('car', 'rest'), ('rest', 'Background'), ('rest', 'pedestrian')]
)
def test_class_names_in_the_wrong_order_are_refused(classes):
    with pytest.raises(InputError, match=r'metainfo.classes=.*foreground is car'):
        CamVidVehicleDataset(metainfo=dict(classes=classes), lazy_init=True)


@pytest.mark.parametrize('classes', [('background',), ('a', 'b', 'c'), ('a', 'a'), 'crack', (0, 1)])
def test_two_names_are_needed(classes):
    with pytest.raises(InputError, match=r'metainfo.classes=.*give two names'):
        BinarySegDataset(metainfo=dict(classes=classes), lazy_init=True)
    with pytest.raises(InputError, match=r'metainfo.palette has 3 colours'):
        BinarySegDataset(metainfo=dict(palette=[[0, 0, 0]] * 3), lazy_init=True)


def test_the_classes_may_be_renamed():
    for classes in (('rest', 'car'), ('background', 'lorry')):
        assert CamVidVehicleDataset(metainfo=dict(classes=classes), lazy_init=True).metainfo['classes'] == classes


@pytest.mark.parametrize(
    'text',
    [
        'c\na\n',
        'c.jpg\na.jpg',
        '\ufeffc.jpg\r\n\r\na.jpg\r\n',
        'c.jpg c.png\na.jpg a.png\n',
        'c.jpg\tc.png\na.jpg,a.png\n',
        'train/c.jpg trainmasks/c.png\n./a\n',
        '{root}/train/c.jpg {root}/trainmasks/c.png\n{root}/train/a.jpg\n',
        'train\\c.jpg;trainmasks\\c.png\na\n',
        '/train/c.jpg /trainmasks/c.png\n/train/a.jpg\n',
    ],
)
def test_lists_of_every_kind(data, text):
    (data / 'list.txt').write_bytes(text.format(root=data).encode())
    dataset = build(data, ann_file='list.txt')
    for info, name in zip(map(dataset.get_data_info, range(2)), 'ca', strict=True):
        assert (Path(info['img_path']).name, Path(info['seg_map_path']).name) == (f'{name}.jpg', f'{name}.png')
    assert len(dataset) == 2


def test_a_list_pairs_names_that_differ_and_names_with_blanks(data):
    (data / 'train' / 'a.jpg').rename(data / 'train' / 'a photo.jpg')
    (data / 'trainmasks' / 'a.png').rename(data / 'trainmasks' / 'its mask.png')
    (data / 'list.txt').write_text('a photo.jpg its mask.png\n')
    assert build(data, ann_file='list.txt').get_data_info(0)['seg_map_path'] == f'{data}/trainmasks/its mask.png'


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'a\n\nd.jpg\n', 'list.txt, line 3: d.jpg is not among the photographs'),
        (b'a.jpg d.png\n', 'line 1: a.jpg d.png names a label map that is not in .*trainmasks'),
        (b'\n', 'list.txt: this list is empty'),
        ('a\n'.encode('utf-16'), 'list.txt: .*UTF-8'),
    ],
)
def test_wrong_lists_are_named(data, content, message):
    (data / 'list.txt').write_bytes(content)
    with pytest.raises(InputError, match=message):
        build(data, ann_file='list.txt')


def test_a_list_that_is_missing_or_names_labels_that_are_not_read(data):
    with pytest.raises(InputError, match=r'absent.txt: this list of photographs cannot be read: .*No such file'):
        build(data, ann_file='absent.txt')
    (data / 'list.txt').write_text('a.jpg a.png\n')
    with pytest.raises(InputError, match=r'line 1: a.jpg a.png names a label map, but'):
        build(data, ann_file='list.txt', data_prefix=dict(img_path='train'))


def test_label_maps_without_photographs_are_told(data, monkeypatch):
    told = []
    monkeypatch.setattr('mmseg_bisenet_lite.datasets.binary.print_log', lambda *args: told.append(args))
    build(data)
    assert not told
    (data / 'train' / 'b.jpg').unlink()
    build(data)
    assert 'trainmasks: 1 of 3 label maps are not used' in told[0][0]
    assert 'b.png' in told[0][0]
    assert told[0][2] == logging.WARNING


def test_photographs_with_one_label_map_are_named(data):
    cv2.imwrite(str(data / 'train' / 'b.png'), MASK)
    with pytest.raises(InputError, match=r'b.(jpg|png) and b.(jpg|png) differ only in their endings'):
        build(data)
    assert len(build(data, img_suffix='.jpg')) == 3


def test_masks_with_another_ending_are_told(data):
    for mask in (data / 'trainmasks').iterdir():
        mask.rename(mask.with_suffix('.jpg'))
    with pytest.raises(InputError, match=r'trainmasks: found no label maps whose names end in .png, only 3 .jpg'):
        build(data)


def test_jpeg_is_told_as_the_cause_of_a_few_odd_values(data):
    for name in 'abc':
        Image.fromarray(MASK).save(data / 'trainmasks' / f'{name}.jpg', quality=99)
    with pytest.raises(InputError, match=r'trainmasks/a.jpg: .*from JPEG'):
        build(data, seg_map_suffix='.jpg', values={0: 'background', 255: 'foreground'})[0]


def test_photographs_and_masks_in_one_folder(data):
    for mask in (data / 'trainmasks').iterdir():
        mask.rename(data / 'train' / mask.name)
    folder = dict(img_path='train', seg_map_path='train')
    assert labels(build(data, data_prefix=folder, img_suffix='.jpg')) == (MASK == 255).astype(int).tolist()


@pytest.mark.parametrize(
    ('mask', 'message'),
    [
        (np.dstack([MASK // 2, MASK * 0, MASK]), r'4 and|3 of uint8 \(colour; its values are \(0, 0, 0\), \(255, 0, 127\)\)'),
        (np.dstack([MASK] * 4), r'4 of uint8 \(colour with alpha'),
        (MASK.astype(np.uint16) * 257, r'uint16|int32.*grey 8-bit PNG'),
        (np.arange(8, dtype=np.uint8).reshape(2, 4) * 30, r'30, 60, 90, 120, 150, 180, 210 \(the data set knows 0, 255\)'),
        (np.arange(200, dtype=np.uint8)[None], r'label value 1, 2, 3, 4, 5, 6, 7, 8 and 191 more .*hard edges'),
        (
            MASK // 255,
            r'label value 1 \(the data set knows 0, 255\), which 3 pixels have; say what each value means with values=',
        ),
        (np.zeros((3, 5), np.uint8), r'the label map is 5x3, but its photograph .*a.jpg is 4x2'),
    ],
)
def test_masks_of_other_kinds_are_named(data, mask, message):
    if mask.shape[0] == 1:
        cv2.imwrite(str(data / 'train' / 'a.jpg'), np.zeros((*mask.shape, 3), np.uint8))
    cv2.imwrite(str(data / 'trainmasks' / 'a.png'), mask)
    with pytest.raises(InputError, match=r'trainmasks/a.png: ') as error:
        build(data)[0]
    assert error.match(message)
    assert '\n' not in str(error.value)


def test_masks_of_one_bit(data):
    Image.fromarray(MASK > 0).save(data / 'trainmasks' / 'a.png')
    assert Image.open(data / 'trainmasks' / 'a.png').mode == '1'
    assert labels(build(data)) == (MASK == 255).astype(int).tolist()
    assert labels(build(data, values={0: 'background', 1: 'foreground'})) == (MASK == 255).astype(int).tolist()


def test_masks_of_16_bits_with_small_values(data):
    cv2.imwrite(str(data / 'trainmasks' / 'a.png'), MASK.astype(np.uint16))
    assert labels(build(data)) == (MASK == 255).astype(int).tolist()


def test_masks_of_another_name(data):
    for mask in (data / 'trainmasks').iterdir():
        mask.rename(mask.with_name(f'{mask.stem}_mask.bmp'))
    with pytest.raises(InputError, match=r'seg_map_suffix=.*values='):
        build(data, seg_map_suffix='_mask.bmp')
    cv2.imwrite(str(data / 'trainmasks' / 'a-gt.png'), MASK)
    with pytest.raises(InputError, match=r"a.png: this .* is missing \(3 of 3 .*; for a-gt.png set seg_map_suffix='-gt.png'"):
        build(data)
    for name in 'abc':
        cv2.imwrite(str(data / 'trainmasks' / f'{name}_mask.bmp'), MASK)
    dataset = build(data, seg_map_suffix='_mask.bmp', values={0: 'wall', 255: 'foreground'})
    assert labels(dataset, 2) == (MASK == 255).astype(int).tolist()


def test_a_wrong_folder_is_named_without_a_layout(data):
    with pytest.raises(InputError, match=r'nothere: there is no such folder .*set data_root, and data_prefix'):
        build(data, data_prefix=dict(img_path='nothere', seg_map_path='trainmasks'))


def test_keeping_classes_needs_room_and_crops_that_know_them(tmp_path):
    values = {0: 'road', 1: 'car', 2: 'truck'}
    crop = dict(type='RandomResizeCropFlip', crop_size=8, scale_factors=(1.0,), foreground_prob=0.5)
    for options, message in (
        (dict(ignore_index=2), 'ignore_index=2 is one of the 3 classes'),
        (dict(pipeline=[crop]), 'foreground=None of the crops: .* give groups of the classes 0 to 2'),
        (dict(pipeline=[{**crop, 'foreground': ((1,), (2, 3))}]), 'give groups of the classes 0 to 2'),
    ):
        with pytest.raises(InputError, match=message):
            BinarySegDataset(foreground='car', values=values, keep_classes=True, lazy_init=True, **options)
    for groups, keep in ((((1,),), True), (((1,), (2,)), True), (((1,),), False), ([[0], [1]], False)):
        pipeline = [{**crop, 'foreground': groups}]
        BinarySegDataset(foreground='car', values=values, keep_classes=keep, lazy_init=True, pipeline=pipeline)
    for keep, groups in ((True, (('car',),)), (False, 'car')):
        with pytest.raises(InputError, match='give groups of classes by number'):
            BinarySegDataset(
                foreground='car',
                values=values,
                keep_classes=keep,
                lazy_init=True,
                pipeline=[{**crop, 'foreground': groups}],
            )
    with pytest.raises(InputError, match='the labels are 0 and 1; for more set keep_classes=True'):
        BinarySegDataset(foreground='car', values=values, lazy_init=True, pipeline=[{**crop, 'foreground': ((1,), (2,))}])
