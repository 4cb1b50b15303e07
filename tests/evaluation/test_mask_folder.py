import os

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from mmseg_bisenet_lite.evaluation import BinaryIoUMetric
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.fixture
def data(tmp_path):
    for folder in ('val', 'valannot', 'other'):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((4, 5), 7, np.uint8)).save(tmp_path / folder / 'a.png')
    return tmp_path


def write(folder, *photographs):
    metric = BinaryIoUMetric(format_only=True, output_dir=str(folder))
    metric.dataset_meta = dict(classes=('background', 'human'))
    for photograph in photographs:
        info = dict(img_path=str(photograph), seg_map_path=str(photograph).replace('val/', 'valannot/').replace('.jpg', '.png'))
        sample = SegDataSample(metainfo=info, pred_sem_seg=PixelData(data=torch.ones(1, 4, 5)))
        metric.process({}, [sample.to_dict()])


def values(file):
    return set(np.unique(np.asarray(Image.open(file))).tolist())


def test_masks_are_written_again_and_again(data):
    for _ in range(2):
        write(data / 'masks', data / 'val' / 'a.png', data / 'val' / 'b.png', data / 'val' / 'a.png')
    assert values(data / 'masks' / 'a.png') == {1}


@pytest.mark.parametrize('folder', ['val', 'valannot'])
def test_a_mask_never_replaces_an_input(data, folder):
    with pytest.raises(InputError, match=rf'{folder}/a\.png: the mask would replace the input .*{folder}/a\.png'):
        write(data / folder, data / 'val' / 'a.png')
    assert values(data / folder / 'a.png') == {7}


@pytest.mark.parametrize('link', [os.symlink, os.link])
def test_a_link_to_an_input_is_refused(data, link):
    (data / 'masks').mkdir()
    link(data / 'valannot' / 'a.png', data / 'masks' / 'a.png')
    with pytest.raises(InputError, match='would replace the input'):
        write(data / 'masks', data / 'val' / 'a.png')


@pytest.mark.parametrize('link', [os.symlink, os.link])
def test_a_link_to_another_file_is_replaced(data, link):
    (data / 'masks').mkdir()
    link(data / 'other' / 'a.png', data / 'masks' / 'a.png')
    write(data / 'masks', data / 'val' / 'a.png')
    assert values(data / 'other' / 'a.png') == {7}
    assert values(data / 'masks' / 'a.png') == {1}


def test_two_photographs_with_one_mask_are_refused(data):
    with pytest.raises(InputError, match=r'masks/a\.png: would be the mask of .*val/a\.png and of .*val/a\.jpg'):
        write(data / 'masks', data / 'val' / 'a.png', data / 'val' / 'a.jpg')
