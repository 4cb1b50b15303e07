import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import DATASETS, MODELS

from mmseg_bisenet_lite import ForegroundWeightHook
from mmseg_bisenet_lite.apis.cfg_options import merge_options, parse_options
from mmseg_bisenet_lite.datasets.metainfo import inner_sets
from mmseg_bisenet_lite.reproduce.config import DRIVES, Run, drives_of, leave_out, parse_grid, runs_of
from mmseg_bisenet_lite.utils.errors import InputError


def test_the_grid_of_table_6():
    found = runs_of(parse_grid('lite,r18 x ce,hinge x human,vehicle'), 2)
    assert len(found) == len(set(found)) == 16
    assert [run.seed for run in found] == [0] * 8 + [1] * 8
    assert {run.name for run in found} >= {'lite_ce_human', 'r18_hinge_vehicle'}


def test_a_peer_keeps_its_own_loss_and_is_trained_once():
    found = runs_of(parse_grid('lite,pidnet-s x ce,hinge x vehicle'), 1)
    assert [run.name for run in found] == ['lite_ce_vehicle', 'lite_hinge_vehicle', 'pidnet-s_vehicle']


def test_each_drive_is_left_out_of_a_training_of_its_own():
    found = runs_of(parse_grid('lite x hinge x vehicle'), 2, drives_of('camvid', 'drives'))
    assert [(run.left_out, run.seed) for run in found] == [(drive, seed) for seed in (0, 1) for drive in DRIVES['camvid']]
    assert found[0].title == 'lite_hinge_vehicle without 0001TP, seed 0'
    assert runs_of(parse_grid('lite x hinge x vehicle'), 1, drives_of('toy', 'val')) == [Run('lite', 'hinge', 'vehicle', 0)]
    for dataset in ('toy', 'cityscapes'):
        with pytest.raises(InputError, match=f'--protocol drives: {dataset} has no drives; give --dataset camvid'):
            drives_of(dataset, 'drives')


def photographs(config, split, data_root):
    """The files that a config trains or tests on."""
    for part in inner_sets(config[f'{split}_dataloader'].dataset):
        part.data_root = str(data_root)
    dataset = DATASETS.build(config[f'{split}_dataloader'].dataset)
    return {dataset.get_data_info(index)['img_path'] for index in range(len(dataset))}


@pytest.mark.parametrize('target', ['human', 'vehicle'])
@pytest.mark.parametrize('drive', DRIVES['camvid'])
def test_a_drive_is_left_out_of_the_training_and_tested(drives, drive, target):
    config = Run('lite', 'hinge', target, 0).config('camvid', None)
    plain = copy.deepcopy(config)  # Config.copy shares the loaders
    leave_out(config, drive, 'camvid')
    train, val, test = (photographs(config, split, drives) for split in ('train', 'val', 'test'))
    assert val == test == {str(path) for path in drives.glob(f'*/{drive}_*.png') if 'annot' not in path.parent.name}
    assert not train & test
    assert len(train | test) == 11
    for split in ('train', 'val', 'test'):
        before, after = (each[f'{split}_dataloader'].to_dict() for each in (plain, config))
        (kept,) = inner_sets(before.pop('dataset'))
        for part in inner_sets(after.pop('dataset')):
            part.pop('drives')
            assert part | dict(data_prefix=0, data_root=0) == kept | dict(data_prefix=0, data_root=0)
        assert before == after
    assert {key for key in config if config[key] != plain[key]} == {f'{split}_dataloader' for split in ('train', 'val', 'test')}


def test_a_data_set_without_such_a_config_names_those_that_it_has():
    assert Run('fastscnn', 'own', 'vehicle', 0).config('toy', 400).model.backbone.type == 'FastSCNN'
    with pytest.raises(InputError, match=r'^r18_ce_human: --dataset toy has no such config; .* lite_hinge_human, lite_hinge_v'):
        Run('r18', 'ce', 'human', 0).config('toy', 400)


def test_a_peer_leaves_a_drive_out_too(drives):
    config = Run('pidnet-s', 'own', 'vehicle', 0).config('camvid', 400)
    leave_out(config, '0001TP', 'camvid')
    assert len(photographs(config, 'train', drives)) == 9
    assert {
        'GenerateEdge' in [step.type for step in part.pipeline] for part in inner_sets(config.train_dataloader.dataset)
    } == {True}


TOGETHER = """
_base_ = [
    'mmseg_bisenet_lite::_base_/models/lite_hinge.py',
    'mmseg_bisenet_lite::_base_/datasets/camvid_vehicle_trainval.py',
    'mmseg_bisenet_lite::_base_/schedules/schedule_camvid.py',
    'mmseg_bisenet_lite::_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
"""


def unscoped(value):
    """A part of a config without the scope that MMEngine adds in a base that is named by its package."""
    if isinstance(value, dict):
        return {key: unscoped(each) for key, each in value.items() if key != '_scope_'}
    return [unscoped(each) for each in value] if isinstance(value, list | tuple) else value


def test_a_users_config_trains_the_same(tmp_path, root, drives):
    """The config and the options of the page are a training of the protocol."""
    page = (root / 'configs' / 'camvid' / 'README.md').read_text()
    assert TOGETHER.strip() in page
    (tmp_path / 'together.py').write_text(TOGETHER)
    users = Config.fromfile(tmp_path / 'together.py')
    options = [f'train_dataloader.dataset.datasets.{i}.drives=0001TP,0006R0' for i in (0, 1)]
    options += [f'{split}_dataloader.dataset.datasets.{i}.drives=0016E5' for split in ('val', 'test') for i in (0, 1)]
    merge_options(users, parse_options(options), 'together.py')
    ours = Run('lite', 'hinge', 'vehicle', 0).config('camvid', None)
    leave_out(ours, '0016E5', 'camvid')
    for split, count in (('train', 5), ('val', 6), ('test', 6)):
        found = photographs(ours, split, drives)
        assert photographs(users, split, drives) == found
        assert len(found) == count
    for config in (users, ours):
        for split in ('train', 'val', 'test'):
            for part in inner_sets(config[f'{split}_dataloader'].dataset):
                part.pop('drives')
    for key in (
        'model',
        'train_dataloader',
        'val_dataloader',
        'test_dataloader',
        'optim_wrapper',
        'param_scheduler',
        'train_cfg',
    ):
        assert unscoped(users[key]) == unscoped(ours[key])
    again = Config(users.to_dict())  # a network whose config has both folders already
    leave_out(again, '0016E5', 'camvid')
    leave_out(ours, '0016E5', 'camvid')
    for split in ('train', 'test'):
        assert unscoped(again[f'{split}_dataloader']) == unscoped(ours[f'{split}_dataloader'])


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
        ('lite,unet x hinge x human', "'unet' is not one of lite, lite-tuned, r18, .*bisenetv1-r18"),
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
