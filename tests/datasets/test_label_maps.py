"""What is read as a training reads it; the check of a whole set is tested with the hook that runs it."""

import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmseg_bisenet_lite.datasets import label_maps
from mmseg_bisenet_lite.datasets.label_maps import LabelMap, ValueTally, whole_files


@pytest.mark.parametrize('reduce', [True, False])
@pytest.mark.parametrize('label_map', [None, {0: 1, 1: 0, 7: 255}])
def test_values_mean_what_mmsegmentation_takes_them_for(tmp_path, reduce, label_map):
    path = tmp_path / 'all.png'
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(path)
    info = dict(seg_map_path=str(path), reduce_zero_label=reduce, label_map=label_map, seg_fields=[])
    expected = LoadAnnotations().transform(dict(info))['gt_seg_map']
    assert label_maps._host_table(info).tolist() == expected.ravel().tolist()


def tally_of(classes, *values):
    """The tally of one label map that holds the values, each its own class."""
    tally = ValueTally(classes, 255)
    tally.add(LabelMap('m.png', np.array([values], np.uint8), np.arange(256), np.bincount(values, minlength=256), []))
    return tally


def test_white_masks_of_a_set_with_many_classes_are_told():
    problem = tally_of(('road', 'person', 'car'), 0, 255).problem('train')
    assert 'no pixel of 2 of its 3 classes' in problem
    assert "values={0: 'background', 255: 'foreground'}" in problem


def test_rare_classes_are_no_problem():
    assert tally_of(('road', 'person', 'car'), 0, 1).problem('train') is None
    assert tally_of(('background', 'car'), 0, 1, 255).problem('train') is None


def test_tiles_of_one_file_are_one_file():
    infos = [
        dict(img_path=f'tile://a.r0c{column}of1x2.jpg', seg_map_path=f'tile://b.r0c{column}of1x2.png', label_map=None)
        for column in (0, 1)
    ]
    assert list(whole_files(iter(infos))) == [dict(img_path='a.jpg', seg_map_path='b.png', label_map=None)]
