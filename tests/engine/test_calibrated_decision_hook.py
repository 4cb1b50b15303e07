import itertools
import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.model import BaseModule
from mmengine.runner import Runner, get_priority
from mmseg.registry import HOOKS, MODELS
from torch import nn

from mmseg_bisenet_lite import BinaryHingeHead, BinaryMaskDataset, CalibratedDecisionHook
from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.export import ExportConfig, export
from mmseg_bisenet_lite.models.decision import BIAS, folded_thresholds
from mmseg_bisenet_lite.utils.errors import InputError

SIZE = (64, 48)  # (width, height)
NEVER = -4.0  # bias with which every margin is below 0: -5.5 on black pixels, -2.5 on white ones


@MODELS.register_module(force=True)
class Colours(BaseModule):
    """A backbone that gives the image's colours, normalised."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, image):
        return (self.norm(image),)


@MODELS.register_module(force=True)
class Biasless(BinaryHingeHead):
    """A head without the bias that a threshold is folded into."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv_seg = nn.Conv2d(self.channels, self.out_channels, 1, bias=False)


@HOOKS.register_module(force=True)
class Leap(Hook):
    """Learn all at once, in the second iteration."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 1:
            runner.model.decode_head.conv_seg.bias.data += torch.tensor([NEVER, -NEVER]) / 2


@pytest.fixture(scope='module')
def squares(tmp_path_factory):
    """Photographs with a white square, which is the foreground; 6 for train, 3 for val."""
    folder = tmp_path_factory.mktemp('squares')
    draw = np.random.default_rng(0)
    for split, number in (('train', 6), ('val', 3)):
        for kind in ('images', 'masks'):
            (folder / split / kind).mkdir(parents=True)
        for index in range(number):
            label = np.zeros(SIZE[::-1], np.uint8)
            x, y = draw.integers(0, 40), draw.integers(0, 24)
            label[y : y + 20, x : x + 20] = 1
            cv2.imwrite(str(folder / split / 'images' / f'{index}.png'), np.repeat(label[..., None] * 255, 3, 2))
            cv2.imwrite(str(folder / split / 'masks' / f'{index}.png'), label)
    return folder


@pytest.fixture
def config_of(squares, tmp_path):
    """A config of a network that ranks the pixels perfectly: ``config_of(bias, **changes)``."""

    def make(bias=NEVER, maps=2, threshold=None, **changes):
        def loader(split, sampler, batch, steps):
            data = dict(type='BinaryMaskDataset', name='square')
            data |= dict(data_root=str(squares / split), data_prefix=dict(img_path='images', seg_map_path='masks'))
            return dict(batch_size=batch, num_workers=0, sampler=sampler, dataset=dict(**data, pipeline=steps))

        steps = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
        loss = dict(type='BinaryHingeLoss')
        head = dict(type='BinaryHingeHead', in_channels=3, channels=3, num_convs=0, kernel_size=1, concat_input=False)
        head |= dict(out_channels=maps, threshold=threshold, loss_decode=loss, dropout_ratio=0, align_corners=False)
        half = dict(type='DefaultSampler', shuffle=False)
        evaluator = dict(type='BinaryIoUMetric', iou_metrics=['mIoU'])
        config = dict(
            default_scope='mmseg',
            custom_imports=dict(imports=['mmseg_bisenet_lite'], allow_failed_imports=False),
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(
                    type='SegDataPreProcessor',
                    mean=[127.5] * 3,
                    std=[127.5] * 3,
                    size=SIZE[::-1],
                    seg_pad_val=255,
                ),
                backbone=dict(type='Colours'),
                decode_head=head,
                train_cfg=dict(),
                test_cfg=dict(mode='whole'),
            ),
            train_dataloader=loader('train', dict(type='SeededInfiniteSampler', seed=0), 2, steps),
            val_dataloader=loader('val', half, 1, steps),
            test_dataloader=loader('val', half, 1, steps),
            val_evaluator=evaluator,
            test_evaluator=evaluator,
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2),
            val_cfg=dict(type='ValLoop'),
            test_cfg=dict(type='TestLoop'),
            optim_wrapper=dict(type='AutoAmpOptimWrapper', optimizer=dict(type='SGD', lr=0.0), keep_memory=False),
            param_scheduler=[],
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1, save_best='mIoU'),
                threshold=dict(type='ThresholdHook'),
                calibrated_decision=dict(type='CalibratedDecisionHook'),
            ),
            load_from=str(tmp_path / f'{bias}-{maps}.pth'),
            work_dir=str(tmp_path / 'run'),
        )
        weight = torch.full((maps, 3, 1, 1), 0.5 if maps == 1 else 0.25)
        shift = torch.tensor([bias] if maps == 1 else [-bias / 2, bias / 2])
        if maps == 2:
            weight[0] *= -1
        state = {'decode_head.conv_seg.weight': weight, BIAS: shift}
        state |= {f'backbone.{key}': value for key, value in Colours().state_dict().items()}
        torch.save({'state_dict': state, 'meta': {}}, config['load_from'])
        file = tmp_path / 'config.py'
        config = Config(config)
        config.merge_from_dict(changes)
        file.write_text('\n'.join(f'{key} = {value!r}' for key, value in config.to_dict().items()))
        return file

    return make


numbers = itertools.count()


def trained(file, **changes):
    """Train; returns the last checkpoint."""
    config = Config.fromfile(file)
    config.merge_from_dict({'experiment_name': f'{file.parent.name} {next(numbers)}', **changes})
    runner = Runner.from_cfg(config)
    runner.train()
    return torch.load((Path(config.work_dir) / 'last_checkpoint').read_text(), weights_only=False)


@pytest.fixture
def scores(tmp_path, root, monkeypatch):
    """Run tools/test.py in this process: ``scores(config, checkpoint)``."""

    def test(file, checkpoint):
        work = tmp_path / f'test{next(numbers)}'
        monkeypatch.setattr(sys, 'argv', ['test.py', str(file), str(checkpoint), '--work-dir', str(work)])
        runpy.run_path(str(root / 'tools' / 'test.py'), run_name='__main__')
        (found,) = work.glob('*/*.json')
        return json.loads(found.read_text())

    return test


@pytest.mark.parametrize(
    ('maps', 'threshold'),
    [(2, None), pytest.param(1, None, marks=pytest.mark.slow), pytest.param(1, 0.3, marks=pytest.mark.slow)],
)
def test_a_network_that_finds_nothing_is_saved_as_one_that_decides_well(config_of, tmp_path, scores, maps, threshold):
    file = config_of(maps=maps, threshold=threshold)
    untouched = tmp_path / 'run' / 'iter_1.pth'
    last = trained(file)
    before = scores(file, untouched)
    assert before['fgIoU'] == 0
    assert before['AP'] > 99
    assert scores(file, tmp_path / 'run' / 'iter_2.pth')['fgIoU'] > 99
    (best,) = (tmp_path / 'run').glob('best_*.pth')
    assert scores(file, best)['fgIoU'] > 99

    # What val found is of the folded network, and the checkpoint tells how the raw one decided.
    meta = torch.load(best, weights_only=False)['meta']
    folded = last['meta']['margin_folded']
    assert meta['margin_folded'] == folded < -1
    own = np.log(0.3 / 0.7) if threshold else 0
    assert meta['margin_threshold'] == pytest.approx(own, abs=0.02)
    raw = torch.load(untouched, weights_only=False)['state_dict'][BIAS]
    difference = (last['state_dict'][BIAS] - raw).double()
    assert float(difference[-1] - (difference[0] if maps == 2 else 0)) == pytest.approx(-folded, abs=1e-4)
    assert 'margin_folded' not in torch.load(untouched, weights_only=False)['meta']


@pytest.mark.slow
def test_what_is_exported_decides_as_the_checkpoint(config_of, squares, tmp_path):
    file = config_of()
    trained(file)
    order = ExportConfig(
        str(file), str(tmp_path / 'run' / 'iter_2.pth'), tmp_path / 'out', SIZE, frames=str(squares / 'val/images')
    )
    (result,) = export(order, lambda *_: None)
    assert result.failure is None
    segmenter = Segmenter(result.file)
    assert segmenter.metadata.folded < -1
    image = squares / 'val' / 'images' / '0.png'
    label = cv2.imread(str(image).replace('images', 'masks'), cv2.IMREAD_UNCHANGED)
    assert (segmenter(cv2.imread(str(image))) == label).all()


def test_a_network_that_decides_well_keeps_its_weights_to_the_bit(config_of):
    last = trained(config_of(bias=0.1))
    assert torch.equal(last['state_dict'][BIAS], torch.tensor([-0.05, 0.05]))
    assert 'margin_folded' not in last['meta']


@pytest.mark.slow
@pytest.mark.parametrize('ema', [None, dict(type='EMAHook', momentum=0.5, update_buffers=True)])
def test_nothing_but_the_bias_changes(config_of, tmp_path, ema):
    hooks = {} if ema is None else {'custom_hooks': [ema]}
    file = config_of(**hooks)
    without = trained(file, **{'work_dir': str(tmp_path / 'without'), 'default_hooks.calibrated_decision': None})
    folded = trained(file)
    assert folded['meta']['margin_folded'] < -1
    for states in ('state_dict',) if ema is None else ('state_dict', 'ema_state_dict'):
        for key, value in without[states].items():
            assert torch.equal(value, folded[states][key]) == (not key.endswith(BIAS)), key
    assert not torch.equal(without['state_dict']['backbone.norm.running_mean'], torch.zeros(3))


@pytest.mark.slow
def test_the_averaged_weights_are_the_ones_that_decide_well(config_of, tmp_path, scores):
    """The last weights alone would not be moved: they have learned to decide, the average has not."""
    file = config_of(custom_hooks=[dict(type='Leap'), dict(type='EMAHook', momentum=0.01)])
    without = trained(file, **{'work_dir': str(tmp_path / 'without'), 'default_hooks.calibrated_decision': None})
    assert scores(file, tmp_path / 'without' / 'iter_2.pth')['fgIoU'] == 0
    last = trained(file)
    assert scores(file, tmp_path / 'run' / 'iter_2.pth')['fgIoU'] > 99
    moved = [
        last[states][key][0] - without[states][key][0]
        for states, key in (('state_dict', BIAS), ('ema_state_dict', f'module.{BIAS}'))
    ]
    assert moved[0] == pytest.approx(float(moved[1]), abs=1e-5)


@pytest.mark.slow
def test_a_resumed_training_folds_once(config_of, tmp_path):
    file = config_of()
    last = trained(file)
    again = trained(file, resume=True, load_from=None)
    assert torch.equal(again['state_dict'][BIAS], last['state_dict'][BIAS])
    assert again['meta']['margin_folded'] == last['meta']['margin_folded']
    # A training that goes on decides well already; what its end did is what its checkpoints tell.
    further = trained(file, **{'resume': True, 'load_from': None, 'train_cfg.max_iters': 4, 'train_cfg.val_interval': 4})
    assert torch.equal(further['state_dict'][BIAS], last['state_dict'][BIAS])
    assert 'margin_folded' not in further['meta']


@pytest.mark.slow
@pytest.mark.parametrize('wrapper', ['ConcatDataset', 'RepeatDataset'])
def test_wrapped_data_sets_and_epochs(config_of, wrapper):
    file = config_of()
    inner = Config.fromfile(file).train_dataloader.dataset.to_dict()
    wrapped = dict(datasets=[inner, inner]) if wrapper == 'ConcatDataset' else dict(dataset=inner, times=3)
    last = trained(
        file,
        **{
            'train_dataloader.dataset': dict(_delete_=True, type=wrapper, **wrapped),
            'train_cfg': dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=1, val_interval=1),
            'default_hooks.checkpoint': dict(by_epoch=True),
        },
    )
    assert last['meta']['margin_folded'] < -1


@pytest.mark.slow
def test_the_photographs_are_spread_over_the_data_set(config_of, monkeypatch):
    read = []
    file = config_of(**{'default_hooks.calibrated_decision.images': 3, 'train_cfg.max_iters': 1})
    inherited = BinaryMaskDataset.get_data_info

    def get_data_info(self, index):
        read.append((Path(self.data_prefix['img_path']).parent.name, index))
        return inherited(self, index)

    monkeypatch.setattr(BinaryMaskDataset, 'get_data_info', get_data_info)
    trained(file)
    assert [index for split, index in read if split == 'train'][-3:] == [1, 3, 5]


@pytest.mark.slow
@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(val_dataloader=None, val_evaluator=None, val_cfg=None), 'there is no val_dataloader'),
        ({'model.decode_head.type': 'Biasless'}, f'there is no {BIAS} for one or two score maps'),
        (
            {'train_dataloader.dataset.data_root': 'black', 'train_dataloader.dataset.foreground': 1},
            'no foreground in 6 photographs',
        ),
    ],
)
def test_what_cannot_be_examined_is_named(config_of, squares, tmp_path, capsys, changes, message):
    (tmp_path / 'black').mkdir()
    (tmp_path / 'black' / 'images').symlink_to(squares / 'train' / 'images')
    (tmp_path / 'black' / 'masks').mkdir()
    for index in range(6):
        cv2.imwrite(str(tmp_path / 'black' / 'masks' / f'{index}.png'), np.zeros(SIZE[::-1], np.uint8))
    changes = {key: str(tmp_path / value) if value == 'black' else value for key, value in changes.items()}
    last = trained(config_of(), **changes, **{'default_hooks.checkpoint.save_best': None})
    assert 'margin_folded' not in last['meta']
    told = [line for line in capsys.readouterr().out.splitlines() if 'CalibratedDecisionHook leaves' in line]
    assert len(told) == 1
    assert f'leaves the decision as it is: {message}' in told[0]


def test_a_cascade_of_heads_is_left_as_it_is():
    told, model = [], nn.Module()
    model.decode_head = nn.ModuleList([nn.Identity(), nn.Identity()])
    runner = SimpleNamespace(model=model, iter=1, max_iters=2, logger=SimpleNamespace(warning=told.append))
    CalibratedDecisionHook().after_train_iter(runner, 1)
    assert told == [
        'CalibratedDecisionHook leaves the decision as it is: the network has several main heads, one after another'
    ]


@pytest.mark.parametrize('images', [0, -1, 2.5, True, '8'])
def test_a_wrong_number_is_named(images):
    with pytest.raises(InputError, match='images='):
        CalibratedDecisionHook(images)


def test_it_comes_after_the_average_and_before_the_checkpoint():
    places = [get_priority(hook.priority) for hook in (EMAHook, CalibratedDecisionHook, CheckpointHook)]
    assert places == sorted(set(places))


@pytest.mark.parametrize('ema', [False, True])
def test_each_head_with_a_foreground_of_its_own_is_examined(config_of, capsys, ema):
    file = config_of(bias=0.1)
    config = Config.fromfile(file)
    data = config.train_dataloader.dataset
    data.pop('name')
    data |= dict(_delete_=True, type='BinarySegDataset', values={0: 'black', 1: 'white'}, foreground='white', keep_classes=True)
    other = dict(config.model.decode_head, foreground=(0,))  # finds what is black
    classes = dict(type='ClassHead', in_channels=3, channels=3, num_convs=0, num_classes=2, concat_input=False, kernel_size=1)
    classes['loss_decode'] = dict(type='CrossEntropyLoss', avg_non_ignore=True)
    auxiliary = [classes, other, {**other, 'type': 'Biasless'}]
    changes = {'model.decode_head.foreground': (1,), 'model.auxiliary_head': auxiliary, 'train_dataloader.dataset': data}
    if ema:
        changes['custom_hooks'] = [dict(type='EMAHook', momentum=0.5)]
    state = torch.load(config.load_from, weights_only=True)['state_dict']
    for part in ('weight', 'bias'):
        state[f'auxiliary_head.0.conv_seg.{part}'] = torch.zeros_like(state[f'decode_head.conv_seg.{part}'])
        state[f'auxiliary_head.1.conv_seg.{part}'] = state[f'decode_head.conv_seg.{part}'].flip(0)
    state['auxiliary_head.1.conv_seg.bias'] = torch.tensor([-NEVER, NEVER]) / 2
    torch.save({'state_dict': state, 'meta': {}}, config.load_from)

    last = trained(file, **changes)
    assert torch.equal(last['state_dict'][BIAS], torch.tensor([-0.05, 0.05]))
    assert 'margin_folded' not in last['meta']
    (folded,) = last['meta']['margin_folded_heads'].items()
    assert folded == ('auxiliary_head.1', pytest.approx(-4, abs=1.5))
    moved = last['state_dict']['auxiliary_head.1.conv_seg.bias'] - state['auxiliary_head.1.conv_seg.bias']
    assert float(moved[1] - moved[0]) == pytest.approx(-folded[1], abs=1e-4)
    assert folded_thresholds(last['meta'], 'a.pth') == dict([folded])
    told = capsys.readouterr().out
    assert 'CalibratedDecisionHook, auxiliary_head.2 leaves the decision as it is: there is no auxiliary_head.2' in told
