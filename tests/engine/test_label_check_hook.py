from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.models.decode_heads import STDCHead
from PIL import ExifTags, Image
from torch import nn

from mmseg_bisenet_lite import (
    BinaryHingeHead,
    BinaryMaskDataset,
    BinarySegDataset,
    CamVidVehicleDataset,
    ClassHead,
    LabelCheckHook,
)
from mmseg_bisenet_lite.datasets import label_check
from mmseg_bisenet_lite.utils.errors import InputError

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
CRACK = dict(classes=('background', 'crack'), palette=[[0, 0, 0], [255, 0, 0]])
MASK = np.uint8([[0, 255, 255, 0], [0, 255, 0, 0]])


class LoadMasks(LoadAnnotations):
    """A user's own."""


class ReadMask:
    """A user's own, which has nothing in common with MMSegmentation's."""

    def __call__(self, results):
        results['gt_seg_map'] = np.asarray(Image.open(results['seg_map_path']))
        return results


def write(folder, *masks):
    for kind in ('img', 'ann'):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for i, mask in enumerate(masks):
        cv2.imwrite(str(folder / 'img' / f'{i}.jpg'), np.zeros((2, 4, 3), np.uint8))
        cv2.imwrite(str(folder / 'ann' / f'{i}.png'), mask)
    return folder


def build(folder, kind=BinarySegDataset, **options):
    options = dict(pipeline=LOAD, metainfo=CRACK, serialize_data=False) | options
    return kind(data_root=str(folder), data_prefix=dict(img_path='img', seg_map_path='ann'), **options)


@pytest.fixture
def good(tmp_path):
    return build(write(tmp_path / 'good', MASK))


def train(dataset, val=None, iterations=0, model=None, **options):
    """Run the hook as a training does, up to the first validation; return the lines that are logged."""
    told = []
    logger = SimpleNamespace(info=told.append, warning=told.append)
    loaders = [SimpleNamespace(dataset=each) for each in (dataset, val)]
    runner = SimpleNamespace(train_dataloader=loaders[0], val_dataloader=loaders[1], val_loop=val and 1, logger=logger)
    runner.model = model or SimpleNamespace()
    hook = LabelCheckHook(**options)
    hook.before_train(runner)
    for i in range(iterations):
        hook.after_train_iter(runner, i)
    hook.before_val_epoch(runner)
    return told


@pytest.mark.parametrize('kind', [BinarySegDataset, BaseSegDataset])
def test_good_label_maps_pass(tmp_path, good, kind):
    dataset = build(write(tmp_path, MASK if kind is BinarySegDataset else MASK // 255, MASK * 0), kind)
    for wrapped in (dataset, RepeatDataset(dataset, 3), ConcatDataset([dataset, dataset])):
        assert [line for line in train(wrapped, good) if 'the 1 label maps of the val set are checked' in line]
    assert any('2 label maps of the train set are checked' in line for line in train(dataset))


def test_masks_of_0_and_255_that_mmsegmentation_ignores_are_explained(tmp_path):
    dataset = build(write(tmp_path, MASK, MASK * 0), BaseSegDataset)
    with pytest.raises(InputError, match='the train set has no pixel of crack') as error:
        train(dataset)
    first = f'{tmp_path}/ann/0.png'
    assert f'Its 2 label maps hold 0 (background) in 2 files such as {first}, 255 (ignored) in 1 files' in str(error.value)
    assert "type='BinarySegDataset', values={0: 'background', 255: 'crack'}, foreground='crack'" in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('mask', 'values', 'message'),
    [
        (MASK, {0: 'wall', 255: 'wall', 9: 'foreground'}, 'no pixel of crack.*hold 0 .background. .*255 .background.'),
        (MASK, {0: None, 255: None, 9: 'foreground'}, 'no pixel of background and none of crack.*255 .ignored.'),
        (MASK * 0, None, r'no pixel of crack.* values=\{VALUE: NAME, ...\}'),
        (MASK | 255, None, 'no pixel of background'),
        (MASK // 255, {0: 'a', 1: 'a', 9: 'foreground'}, r"no pixel of crack.*values=\{0: 'background', 1: 'crack'\}"),
    ],
)
@pytest.mark.parametrize('split', ['train', 'val'])
def test_a_class_without_a_pixel_is_an_error(tmp_path, good, mask, values, message, split):
    dataset = build(write(tmp_path, mask), values=values)
    with pytest.raises(InputError, match=f'the {split} set has {message}'):
        train(*((dataset, good) if split == 'train' else (good, dataset)))


@pytest.mark.parametrize('load', [dict(type='LoadAnnotations'), LoadMasks(), ReadMask()])
def test_a_stray_value_in_val_stops_before_the_training(tmp_path, good, load):
    stray = MASK.copy()
    stray[0, 0] = 40
    dataset = build(write(tmp_path, MASK, stray), pipeline=[LOAD[0], load, LOAD[2]])
    with pytest.raises(InputError, match=r'ann/1.png: no class .* label value 40 \(the data set knows 0, 255\)'):
        train(good, dataset)


@pytest.mark.parametrize(
    ('mask', 'message'),
    [
        (np.dstack([MASK] * 3), r'1.png: .* not 3 of uint8 \(colour'),
        (MASK.astype(np.uint16) * 257, r'1.png: .* not 1 of u?int'),
        (np.arange(8, dtype=np.uint8).reshape(2, 4) * 30, r'1.png: .* 30, 60, 90, 120, 150, 180, 210 .*knows 0, 1, 255'),
        (np.zeros((3, 9), np.uint8), r'1.png: the label map is 9x3, but its photograph .*1.jpg is 4x2'),
    ],
)
def test_mmsegmentations_data_sets_are_checked_as_ours(tmp_path, mask, message):
    dataset = build(write(tmp_path, MASK // 255, mask), BaseSegDataset)
    with pytest.raises(InputError, match=message):
        train(dataset)


@pytest.mark.parametrize('name', ['img/1.jpg', 'ann/1.png'])
def test_a_missing_file_is_named(tmp_path, name):
    dataset = build(write(tmp_path, MASK, MASK))
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f'{name}: this file of the train set is missing; add it$'):
        train(dataset)


@pytest.mark.parametrize('line', ['0.jpg', '0.jpg 0.png', '\ufeff0'])
def test_a_list_that_mmsegmentation_misreads_is_named(tmp_path, line):
    write(tmp_path, MASK // 255)
    (tmp_path / 'list.txt').write_text(line, encoding='utf-8')
    with pytest.raises(InputError, match=r'this file of the train set is missing; .*correct the list .*list.txt'):
        train(build(tmp_path, BaseSegDataset, ann_file='list.txt'))
    assert train(build(tmp_path, ann_file='list.txt', values={0: 'a', 1: 'foreground'}))


def test_a_broken_file_is_named_with_every_loader(tmp_path):
    write(tmp_path, MASK)
    (tmp_path / 'ann' / '0.png').write_bytes(b'no image')
    for load in (LOAD[1], LoadMasks(), ReadMask()):
        with pytest.raises(InputError, match=r'ann/0.png: not a readable label map'):
            train(build(tmp_path, pipeline=[LOAD[0], load, LOAD[2]]))


def test_mmsegmentations_classes_in_the_wrong_order_are_refused(tmp_path):
    dataset = build(write(tmp_path, MASK // 255), BaseSegDataset, metainfo=dict(classes=('crack', 'background')))
    with pytest.raises(InputError, match=r"metainfo.classes=\('crack', 'background'\): the order is"):
        train(dataset)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'TIFF'])
@pytest.mark.parametrize('turned', [True, False])
def test_a_photograph_that_is_turned_passes_if_its_mask_is_upright(tmp_path, turned, kind):
    dataset = build(write(tmp_path, MASK))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6 if turned else 1
    Image.fromarray(np.zeros((4, 2, 3), np.uint8)).save(tmp_path / 'img' / '0.jpg', kind, exif=exif)
    if turned:
        assert train(dataset)
    else:
        with pytest.raises(InputError, match=r'0\.png: .*size'):
            train(dataset)


def test_tiles_are_read_once(tmp_path, monkeypatch):
    dataset = build(write(tmp_path, MASK, MASK * 0), tiles=(2, 2))
    read = []
    monkeypatch.setattr(label_check, '_size', read.append)
    train(dataset)
    assert [path.rpartition('/')[2] for path in read] == ['0.jpg', '1.jpg']


def test_the_check_goes_on_between_iterations_in_its_share_of_the_time(tmp_path, monkeypatch):
    now = 0.0
    dataset = build(write(tmp_path, *[MASK] * 8))

    def take(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr('mmseg_bisenet_lite.engine.label_check_hook.time.perf_counter', lambda: now)
    monkeypatch.setattr(label_check, '_size', lambda _: take(3))
    told = []
    logger = SimpleNamespace(info=told.append)
    runner = SimpleNamespace(
        model=SimpleNamespace(), train_dataloader=SimpleNamespace(dataset=dataset), val_loop=None, logger=logger
    )
    hook = LabelCheckHook(seconds=0, share=0.1)
    hook.before_train(runner)
    assert now == 0
    for i in range(100):
        take(1)
        hook.after_train_iter(runner, i)
        assert now - (i + 1) <= 0.1 * now + 3
    assert now >= 100 / 0.9
    assert told == ['LabelCheckHook: the check of the label maps goes on while the training runs']
    for i in range(200):
        take(1)
        hook.after_train_iter(runner, i)
    assert now == 300 + 8 * 3
    assert told[1:] == ['LabelCheckHook: the 8 label maps of the train set are checked']


def test_it_ends_before_the_first_validation(tmp_path, good):
    dataset = build(write(tmp_path, MASK * 0))
    with pytest.raises(InputError, match='val set has no pixel of crack'):
        train(good, dataset, seconds=0)


VALUES = {0: 'road', 1: 'car', 2: 'truck', 3: 'person', 9: None}


def heads(main, other=(3,), classes=4):
    options = dict(in_channels=4, channels=4, num_convs=1, concat_input=False)
    hinge = [
        BinaryHingeHead(**options, loss_decode=dict(type='BinaryHingeLoss'), foreground=foreground)
        for foreground in (main, other)
    ]
    of_all = ClassHead(**options, num_classes=classes, loss_decode=dict(type='CrossEntropyLoss'))
    return SimpleNamespace(decode_head=hinge[0], auxiliary_head=nn.ModuleList([hinge[1], of_all]))


def test_heads_must_take_the_kept_classes_for_what_they_are(tmp_path):
    folder = write(tmp_path / 'kept', np.array([[0, 1, 2, 3], [0, 0, 9, 9]], np.uint8))
    dataset = build(folder, values=VALUES, foreground=('car', 'truck'), keep_classes=True)
    train(dataset, model=heads((1, 2)))
    for wrong, message in (
        (heads((1,)), r'decode_head\.foreground=\(1,\) is car, but the foreground of the train set is car, truck; .* 3 person'),
        (heads(None), r'decode_head\.foreground=None: .* numbers of these: 0 road, 1 car'),
        (heads((1, 2), other=(4,)), r'auxiliary_head\.0\.foreground=\(4,\): '),
        (heads((1, 2), classes=5), r'auxiliary_head\.1\.num_classes=5: keep_classes=True keeps 4'),
    ):
        with pytest.raises(InputError, match=message):
            train(ConcatDataset([dataset, dataset]), model=wrong)
    two = build(folder, values=VALUES, foreground=('car', 'truck'))
    for sets in ([two], [dataset, two]):
        with pytest.raises(InputError, match=r'decode_head\.foreground=\(1, 2\): the labels are 0 and 1; set keep_classes'):
            train(ConcatDataset(sets), model=heads((1, 2)))
    with pytest.raises(InputError, match='keep_classes=True of the val set'):
        train(dataset, dataset, model=heads((1, 2)))


def test_the_detail_head_of_stdc_learns_edges_of_any_classes(tmp_path):
    dataset = build(
        write(tmp_path / 'kept', np.array([[0, 1, 2, 3], [0, 0, 9, 9]], np.uint8)),
        values=VALUES,
        foreground=('car', 'truck'),
        keep_classes=True,
    )
    model = heads((1, 2))
    loss = dict(type='CrossEntropyLoss', use_sigmoid=True)
    model.auxiliary_head.append(STDCHead(in_channels=4, channels=4, num_convs=1, num_classes=2, loss_decode=loss))
    train(dataset, model=model)


def test_what_it_cannot_read_is_told(good):
    assert any('cannot read the label maps of list in the train set' in line for line in train([], good))
    dataset = build(good.data_root, pipeline=[LOAD[0], LOAD[2]])
    assert any('cannot read the label maps of BinarySegDataset' in line for line in train(dataset))


@pytest.mark.parametrize('options', [dict(seconds=-1), dict(seconds=float('nan')), dict(share=0), dict(share=1)])
def test_wrong_options_are_named(options):
    with pytest.raises(InputError, match=f'{next(iter(options))}='):
        LabelCheckHook(**options)


def test_masks_of_train_and_val_must_agree(tmp_path):
    sets = [build(write(tmp_path / name, mask), BinaryMaskDataset) for name, mask in (('a', MASK), ('b', MASK // 255))]
    with pytest.raises(InputError, match=r'a/ann and .*b/ann do not agree: .* 255 is foreground, .* 1 is foreground'):
        train(*sets)
    assert train(sets[0], sets[0])


def test_one_folder_may_be_empty_but_not_all(drives):
    folders = [
        CamVidVehicleDataset(
            drives='0001TP',
            data_root=str(drives),
            data_prefix=dict(img_path=split, seg_map_path=f'{split}annot'),
            pipeline=LOAD,
        )
        for split in ('train', 'val')
    ]
    together = ConcatDataset(folders)
    assert train(together, together) == [
        'LabelCheckHook: the 2 label maps of the train set are checked',
        'LabelCheckHook: the 2 label maps of the val set are checked',
    ]
    with pytest.raises(InputError, match='the val set has no photographs with label maps; check'):
        train(together, folders[1])
