import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from torch.utils.data import DataLoader

from mmseg_bisenet_lite import compat


@pytest.mark.skipif(not compat.apply_fixes()['compiled-ops'], reason='this host has compiled operators or guards their imports')
def test_compiled_ops_say_what_is_missing():
    from mmcv.ops import sigmoid_focal_loss

    with pytest.raises(RuntimeError, match='mmcv-lite'):
        sigmoid_focal_loss(torch.zeros(2, 2), torch.zeros(2, dtype=torch.long))


@pytest.mark.parametrize(
    ('base', 'key'),
    [
        ('mmseg::_base_/models/bisenetv1_r18-d32.py', 'model'),
        ('mmseg_bisenet_lite::lite_hinge_vehicle.py', 'model'),
        ('mmseg_bisenet_lite::camvid/lite_ce_human.py', 'train_dataloader'),
    ],
)
def test_configs_of_packages_can_be_bases(tmp_path, base, key):
    path = tmp_path / 'child.py'
    path.write_text(f'_base_ = {base!r}\n')
    assert key in Config.fromfile(path)


def test_a_wrong_package_config_is_named(tmp_path):
    path = tmp_path / 'child.py'
    path.write_text("_base_ = 'mmseg_bisenet_lite::nowhere.py'\n")
    with pytest.raises(FileNotFoundError, match=r'nowhere\.py'):
        Config.fromfile(path)


@pytest.mark.slow  # the worker imports PyTorch and MMSegmentation
def test_a_spawned_worker_loads_mmsegmentations_own_data_set(toy):
    dataset = BaseSegDataset(
        data_root=str(toy),
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        img_suffix='_leftImg8bit.png',
        seg_map_suffix='_gtFine_labelTrainIds.png',
        pipeline=[dict(type='LoadImageFromFile')],
    )
    loader = DataLoader(dataset, batch_size=None, num_workers=1, multiprocessing_context='spawn')
    assert len([sample['img_path'] for sample in loader]) == len(dataset) > 0


def test_threads_read_configs_one_after_another(tmp_path, monkeypatch):
    """With Python 3.11 two at once fail now and then; see CPython issue 106905."""
    (tmp_path / 'a.py').write_text('a = 1\n')
    reading, most = [], []

    def file2dict(*args, **kwargs):
        reading.append(1)
        most.append(len(reading))
        time.sleep(0.02)
        reading.pop()
        return read(*args, **kwargs)

    read = Config._file2dict
    monkeypatch.setattr(Config, '_file2dict', staticmethod(file2dict))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(Config.fromfile, [tmp_path / 'a.py'] * 4))
    assert [config.a for config in found] == [1] * 4
    assert most == [1] * 4
