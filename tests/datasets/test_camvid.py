import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite import CamVidBinaryDataset, CamVidHumanDataset, CamVidVehicleDataset
from mmseg_bisenet_lite.datasets.label_check import LabelCheck
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import write_image

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
TRAIN = dict(img_path='train', seg_map_path='trainannot')


@pytest.fixture(params=['.png', '.jpg'])
def layout(request, tmp_path):
    """One photograph in the SegNet tutorial's layout; its label map holds every value."""
    for name, suffix, pixels in (
        ('train', request.param, np.full((8, 12, 3), 90, np.uint8)),
        ('trainannot', '.png', np.repeat(np.arange(12, dtype=np.uint8)[None], 8, axis=0)),
    ):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / f'0001TP_006690{suffix}'), pixels)
    return tmp_path


@pytest.mark.parametrize(
    ('kind', 'foreground'), [(CamVidVehicleDataset, [8]), (CamVidHumanDataset, [9, 10])]
)  # values as in the tutorial
def test_values(layout, kind, foreground):
    (sample,) = kind(data_root=str(layout), data_prefix=TRAIN, pipeline=LOAD)
    expected = [255 if value == 11 else int(value in foreground) for value in range(12)]
    assert sample['data_samples'].gt_sem_seg.data[0, 0].tolist() == expected


def test_any_class_can_be_the_foreground(layout):
    (sample,) = CamVidBinaryDataset(('road', 'pavement'), data_root=str(layout), data_prefix=TRAIN, pipeline=LOAD)
    assert sample['data_samples'].gt_sem_seg.data[0, 0].tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 255]
    with pytest.raises(InputError, match='choose from bicyclist, building'):
        CamVidBinaryDataset(('truck',), data_root=str(layout), data_prefix=TRAIN)


def test_samples_keep_all_classes_if_asked_to(layout):
    dataset = CamVidVehicleDataset(data_root=str(layout), data_prefix=TRAIN, pipeline=LOAD, keep_classes=True)
    assert dataset[0]['data_samples'].gt_sem_seg.data[0, 0].tolist() == [*range(11), 255]
    assert dataset.metainfo['classes'] == ('background', 'vehicle')
    check = LabelCheck('train', dataset)
    while check.step():
        pass
    assert check.checked == 1


def test_suffixes_of_cameras_are_taken_and_hidden_files_are_not(tmp_path):
    for folder, names in (('train', ('a.png', 'b.PNG', 'c.jpeg', 'd.JPG', 'e.webp', 'f.TIF')), ('trainannot', ())):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / '._a.png').write_bytes(b'of macOS')
        (tmp_path / folder / '.ipynb_checkpoints').mkdir()
        (tmp_path / folder / '.ipynb_checkpoints' / 'a-checkpoint.png').write_bytes(b'of Jupyter')
        for name in names:
            write_image(tmp_path / folder / name, np.full((8, 12, 3), 90, np.uint8))
    for stem in 'abcdef':
        write_image(tmp_path / 'trainannot' / f'{stem}.{"PNG" if stem == "c" else "png"}', np.full((8, 12), 8, np.uint8))
    samples = CamVidVehicleDataset(data_root=str(tmp_path), data_prefix=TRAIN, pipeline=LOAD)
    assert len(samples) == 6
    for sample in samples:
        assert (sample['data_samples'].gt_sem_seg.data == 1).all()
        assert abs(sample['inputs'].float().mean() - 90) < 1
    (tmp_path / 'trainannot' / 'b.png').unlink()
    with pytest.raises(InputError, match=r'b\.png: this label map is missing'):
        CamVidVehicleDataset(data_root=str(tmp_path), data_prefix=TRAIN)


def test_a_name_that_is_not_utf_8_is_refused(layout):
    (layout / 'train' / os.fsdecode(b'caf\xe9.png')).touch()
    with pytest.raises(InputError, match=r"train: 'caf.*\.png' is not UTF-8, which OpenCV needs; rename it"):
        CamVidVehicleDataset(data_root=str(layout), data_prefix=TRAIN)


@pytest.mark.parametrize(
    ('chosen', 'train', 'val'),
    [
        (None, 9, 2),
        ('0001TP', 2, 0),
        (('0006R0', '0016E5'), 7, 2),
        (16e5, 4, 2),  # 0016E5 of --cfg-options
        (['0006R0', 16e5], 7, 2),
    ],
)
def test_drives_are_taken(drives, chosen, train, val):
    for split, count in (('train', train), ('val', val)):
        prefix = dict(img_path=split, seg_map_path=f'{split}annot')
        dataset = CamVidVehicleDataset(drives=chosen, data_root=str(drives), data_prefix=prefix, pipeline=LOAD)
        assert len(dataset) == len(dataset.load_data_list()) == count
        for info in map(dataset.get_data_info, range(count)):
            assert chosen is None or any(drive in info['img_path'] for drive in dataset.drives)
            assert Path(info['img_path']).name == Path(info['seg_map_path']).name


@pytest.mark.parametrize('chosen', ['0001tp', ('0001TP', '0016'), 5.0, (), ''])
def test_unknown_drives_are_refused(drives, chosen):
    with pytest.raises(InputError, match='choose from 0001TP, 0006R0, 0016E5, Seq05VD'):
        CamVidVehicleDataset(drives=chosen, data_root=str(drives), data_prefix=TRAIN)


def test_drives_and_a_list_are_refused(drives):
    with pytest.raises(InputError, match=r"drives='0001TP' and ann_file='a\.txt': give one of them"):
        CamVidVehicleDataset(drives='0001TP', ann_file='a.txt', data_root=str(drives), data_prefix=TRAIN)


def test_only_the_label_maps_of_the_drives_are_needed(drives, tmp_path):
    shutil.copytree(drives, tmp_path, dirs_exist_ok=True)
    (tmp_path / 'trainannot' / '0001TP_train0.png').unlink()
    assert len(CamVidVehicleDataset(drives='0006R0', data_root=str(tmp_path), data_prefix=TRAIN)) == 3
    with pytest.raises(InputError, match=r'0001TP_train0\.png: this label map is missing \(1 of 2 photographs'):
        CamVidVehicleDataset(drives='0001TP', data_root=str(tmp_path), data_prefix=TRAIN)


def test_the_photographs(camvid):
    for split, count in (('train', 367), ('val', 101)):
        dataset = CamVidVehicleDataset(
            data_root=str(camvid), data_prefix=dict(img_path=split, seg_map_path=f'{split}annot'), pipeline=LOAD
        )
        assert len(dataset) == count
        assert dataset[0]['inputs'].shape == (3, 360, 480)
        assert set(dataset[0]['data_samples'].gt_sem_seg.data.unique().tolist()) <= {0, 1, 255}
