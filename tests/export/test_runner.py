"""What the runner names and notes; the tool's own tests run it whole."""

from pathlib import Path

import pytest
import torch

from mmseg_bisenet_lite.export.config import ExportConfig
from mmseg_bisenet_lite.export.runner import _dataset_meta
from mmseg_bisenet_lite.pretrained.loading import read_config
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.mark.parametrize(
    ('size', 'batch', 'name'),
    [
        ((640, 360), 1, 'lite-640x360-int8.xml'),
        ((640, 360), 4, 'lite-640x360-batch4-int8.xml'),
        (None, None, 'lite-dynamic-batch-int8.xml'),
    ],
)
def test_the_name_says_what_the_file_takes(size, batch, name):
    config = ExportConfig('configs/lite.py', 'a.pth', Path('out'), size, batch=batch)
    assert config.file_name('openvino', 'int8') == name


def test_the_classes_are_the_checkpoints_or_else_the_data_sets(small_config, small_checkpoint, tmp_path):
    config = read_config(str(small_config))
    named = dict(classes=('road', 'tram'), palette=[[1, 2, 3], [4, 5, 6]])
    torch.save(dict(state_dict={}, meta=dict(dataset_meta=named)), tmp_path / 'named.pth')
    torch.save(dict(state_dict={}), tmp_path / 'bare.pth')
    with pytest.raises(InputError, match=r'named\.pth: it has the classes road, tram, the config background, vehicle; '):
        _dataset_meta(str(tmp_path / 'named.pth'), config)
    assert _dataset_meta(str(tmp_path / 'bare.pth'), config)['classes'] == ('background', 'vehicle')
    config.val_dataloader.dataset.metainfo = dict(classes=('rest', 'vehicle'))
    found = _dataset_meta(str(tmp_path / 'bare.pth'), config)
    assert found['classes'] == ('rest', 'vehicle')
    assert len(found['palette']) == 2
    config.val_dataloader.dataset.metainfo = dict(classes=('road', 'tram'))
    assert _dataset_meta(str(tmp_path / 'named.pth'), config) == named
    config.val_dataloader.dataset.metainfo = dict(classes=('road', 'tram', 'car'))
    with pytest.raises(InputError, match='both must have the same two classes'):
        _dataset_meta(str(tmp_path / 'bare.pth'), config)
    config.val_dataloader = None
    with pytest.raises(InputError, match=r'small\.py: has no val_dataloader with a dataset; add one'):
        _dataset_meta(str(tmp_path / 'bare.pth'), config)
