from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import MODELS

from mmseg_bisenet_lite import ForegroundWeightHook
from mmseg_bisenet_lite.reproduce.config import Run, parse_grid, runs_of
from mmseg_bisenet_lite.utils.errors import InputError


def test_the_grid_of_table_6():
    found = runs_of(parse_grid('lite,r18 x ce,hinge x human,vehicle'), 2)
    assert len(found) == len(set(found)) == 16
    assert [run.seed for run in found] == [0] * 8 + [1] * 8
    assert {run.name for run in found} >= {'lite_ce_human', 'r18_hinge_vehicle'}


def test_a_peer_keeps_its_own_loss_and_is_trained_once():
    found = runs_of(parse_grid('lite,pidnet-s x ce,hinge x vehicle'), 1)
    assert [run.name for run in found] == ['lite_ce_vehicle', 'lite_hinge_vehicle', 'pidnet-s_vehicle']


def test_losses_that_a_network_has_not_are_left_out():
    found = runs_of(parse_grid('lite,lite-tuned x ce,hinge x vehicle'), 1)
    assert [run.name for run in found] == ['lite_ce_vehicle', 'lite_hinge_vehicle', 'lite-tuned_hinge_vehicle']
    with pytest.raises(InputError, match='lite-tuned is trained only with the loss hinge'):
        runs_of(parse_grid('lite-tuned x ce x vehicle'), 1)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('lite x hinge', 'give networks, losses and targets'),
        ('lite x hinge x horse', "'horse' is not one of human, vehicle"),
        ('lite,unet x hinge x human', "'unet' is not one of lite, lite-tuned, r18, bisenetv1-r18"),
        ('lite x focal x human', "'focal' is not one of ce, hinge"),
    ],
)
def test_wrong_grids_are_named(text, message):
    with pytest.raises(InputError, match=message):
        parse_grid(text)


@pytest.mark.parametrize('network', ['lite', 'r18'])
@pytest.mark.parametrize('dataset', ['camvid', 'cityscapes'])
def test_a_cell_is_trained_with_the_projects_config(network, dataset):
    config = Run(network, 'hinge', 'vehicle', 7).config(dataset, None)
    assert config.randomness.seed == 7
    assert config.model.decode_head.type == 'BinaryHingeHead'
    assert 'work_dir' not in config
    assert config.train_cfg.max_iters == {'camvid': 4000, 'cityscapes': 160000}[dataset]


@pytest.mark.parametrize('peer', ['ddrnet23-slim', 'pidnet-s', 'fastscnn', 'stdc1', 'bisenetv2'])
def test_a_peer_has_lites_protocol(peer):
    ours, theirs = (Run(network, loss, 'human', 0).config('camvid', 400) for network, loss in (('lite', 'ce'), (peer, 'own')))
    (edges,) = [i for i, step in enumerate(theirs.train_dataloader.dataset.pipeline) if step.type == 'GenerateEdge'] or [None]
    if edges is not None:
        theirs.train_dataloader.dataset.pipeline.pop(edges)
    for key in ('train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'default_hooks', 'val_evaluator'):
        assert theirs[key] == ours[key]
    assert theirs.model != ours.model
    assert theirs.model.data_preprocessor.size == ours.model.data_preprocessor.size


def test_fewer_iterations_shorten_the_schedule():
    config = Run('lite', 'hinge', 'human', 0).config('camvid', 2000)
    assert config.train_cfg.max_iters == 2000
    assert config.train_cfg.val_interval == config.default_hooks.checkpoint.interval == 500
    assert config.param_scheduler[-1].end == 2000
    with pytest.raises(InputError, match='--iters 20: the learning rate warms up for longer'):
        Run('lite', 'hinge', 'human', 0).config('camvid', 20)


@pytest.mark.parametrize('peer', ['ddrnet23-slim', 'pidnet-s', 'fastscnn', 'stdc1', 'bisenetv2'])
def test_a_peer_learns_with_it(peer):
    """Its losses can be computed from what the pipeline gives, and the weight of the foreground reaches them."""
    config = Run(peer, 'own', 'human', 0).config('camvid', 400)
    config.train_dataloader.dataset.pipeline[2].crop_size = config.model.data_preprocessor.size = (128, 128)
    rng = np.random.default_rng(0)
    frames = [
        dict(img=rng.integers(0, 256, (150, 160, 3), np.uint8), gt_seg_map=(rng.random((150, 160)) < 0.1).astype(np.uint8))
        for _ in range(2)
    ]
    load = Compose(config.train_dataloader.dataset.pipeline[2:])
    np.random.seed(0)  # of the crops: with some the losses nearly agree
    samples = [load({**frame, 'seg_fields': ['gt_seg_map'], 'img_path': 'a', 'ori_shape': (150, 160)}) for frame in frames]
    batch = {key: [sample[key] for sample in samples] for key in samples[0]}
    torch.manual_seed(0)  # with some random weights the losses nearly agree
    model = revert_sync_batchnorm(MODELS.build(config.model)).train()
    data = model.data_preprocessor(batch, training=True)
    hook = ForegroundWeightHook(start=10.0)
    hook.before_train(SimpleNamespace(model=model))
    found = []
    for iteration in (0, 10):
        hook.before_train_iter(SimpleNamespace(iter=iteration, max_iters=10), iteration)
        torch.manual_seed(0)  # for dropout
        losses, _ = model.parse_losses(model.loss(**data))
        found.append(losses.item())
    assert np.isfinite(found).all()
    assert found[0] != pytest.approx(found[1], rel=1e-3)
