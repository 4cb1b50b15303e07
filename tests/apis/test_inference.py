"""MMSegmentation's own inference API on our configs."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, inference_model, init_model
from mmseg.registry import MODELS

from mmseg_bisenet_lite import CityscapesVehicleDataset
from mmseg_bisenet_lite.compat import mim_folder
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'lite.pth'
    cfg = Config.fromfile(CONFIG)
    meta = dict(dataset_meta=CityscapesVehicleDataset.METAINFO)
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta=meta), path)
    return path


CONFIG = str(mim_folder('mmseg_bisenet_lite') / 'configs' / 'lite_hinge_vehicle.py')
FRAME = np.random.default_rng(0).integers(0, 256, (67, 101, 3), np.uint8)


def test_init_model_and_inference_model(checkpoint):
    model = init_model(CONFIG, str(checkpoint), device='cpu')
    assert model.dataset_meta['classes'] == ('background', 'vehicle')
    assert model.dataset_meta['palette'] == CityscapesVehicleDataset.METAINFO['palette']
    mask = inference_model(model, FRAME).pred_sem_seg.data
    assert mask.shape == (1, 67, 101)
    assert set(mask.unique().tolist()) <= {0, 1}


@pytest.mark.parametrize(
    'load', [lambda c, w: init_model(c, w, device='cpu'), lambda c, w: MMSegInferencer(c, w, device='cpu')]
)
def test_weights_of_another_network_are_refused(checkpoint, load):
    with pytest.raises(InputError, match='its weights are not those of the config'):
        load(CONFIG.replace('lite_hinge', 'r18_hinge'), str(checkpoint))


def test_the_config_in_a_checkpoint_is_not_run(checkpoint, tmp_path):
    victim, evil = tmp_path / 'pwned', tmp_path / 'evil.pth'
    cfg = f'x = __import__("pathlib").Path({str(victim)!r}).touch()'
    torch.save(dict(torch.load(checkpoint), message_hub=dict(runtime_info=dict(cfg=cfg))), evil)
    with pytest.raises(InputError, match=r'evil\.pth: give the config too'):
        MMSegInferencer(None, str(evil), device='cpu')
    assert not victim.exists()


def test_weights_without_meta_and_auxiliary_heads_serve(checkpoint, tmp_path):
    weights = torch.load(checkpoint)['state_dict']
    torch.save({key: value for key, value in weights.items() if 'auxiliary' not in key}, tmp_path / 'bare.pth')
    init_model(CONFIG, str(tmp_path / 'bare.pth'), device='cpu')


def test_inferencer(checkpoint, tmp_path):
    inferencer = MMSegInferencer(CONFIG, str(checkpoint), device='cpu')
    result = inferencer(FRAME, out_dir=str(tmp_path), show=False)
    assert inferencer.visualizer.dataset_meta['classes'] == ('background', 'vehicle')
    assert inferencer.visualizer.dataset_meta['palette'] == CityscapesVehicleDataset.METAINFO['palette']
    assert result['predictions'].shape == (67, 101)
    assert len(list((tmp_path / 'vis').iterdir())) == len(list((tmp_path / 'pred').iterdir())) == 1
