"""What is read as a training reads it; the check itself is tested with the hook that runs it."""

import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmseg_bisenet_lite.datasets import label_check


@pytest.mark.parametrize('reduce', [True, False])
@pytest.mark.parametrize('label_map', [None, {0: 1, 1: 0, 7: 255}])
def test_values_mean_what_mmsegmentation_takes_them_for(tmp_path, reduce, label_map):
    path = tmp_path / 'all.png'
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(path)
    info = dict(seg_map_path=str(path), reduce_zero_label=reduce, label_map=label_map, seg_fields=[])
    expected = LoadAnnotations().transform(dict(info))['gt_seg_map']
    assert label_check._host_table(info).tolist() == expected.ravel().tolist()
