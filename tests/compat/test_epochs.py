"""Trainings by epochs: they end, and a resumed one goes on with the samples that come next."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from mmseg_bisenet_lite.utils.errors import InputError


class Numbers:
    """A data set of 7 numbers."""

    def __len__(self):
        return 7

    def __getitem__(self, index):
        return int(index), getattr(index, 'seed', None)


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples=None, mode='loss'):
        raise AssertionError

    def train_step(self, data, optim_wrapper):
        return dict(loss=torch.zeros(()))


class Capture(Hook):
    def __init__(self, stop_at=None):
        self.batches, self.passed, self.stop_at = [], [], stop_at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if len(self.batches) == self.stop_at:
            raise KeyboardInterrupt
        self.batches.append(data_batch)
        self.passed.append((runner.epoch, runner.iter, runner.max_iters))


def train(folder, stop_at=None, resume=False, workers=0, sampler='SeededInfiniteSampler', loader=None, **checkpoint):
    runner = Runner(
        Model(),
        str(folder),
        train_dataloader=dict(
            num_workers=workers,
            persistent_workers=workers > 0,
            dataset=Numbers(),
            sampler=dict(type=sampler),
            collate_fn=dict(type='pseudo_collate'),
            **(loader or dict(batch_size=2)),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=3),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', **checkpoint)),
        randomness=dict(seed=5),
        resume=resume,
        default_scope='mmseg',
        experiment_name=f'{folder.name}{resume}',
    )
    capture = Capture(stop_at)
    runner.register_hook(capture)
    try:
        runner.train()
    except KeyboardInterrupt:
        assert stop_at is not None
    return capture


@pytest.mark.parametrize('workers', [0, 1])
def test_every_epoch_is_a_pass_and_the_last_batch_may_be_smaller(tmp_path, workers):
    whole = train(tmp_path / 'whole', workers=workers)
    assert [place for place, _, _ in whole.passed] == [0] * 4 + [1] * 4 + [2] * 4
    assert whole.passed[-1] == (2, 11, 12)
    drawn = [[value for batch in whole.batches[k : k + 4] for value, _ in zip(*batch, strict=True)] for k in (0, 4, 8)]
    assert all(sorted(map(int, epoch)) == list(range(7)) for epoch in drawn)
    assert len(set(map(tuple, drawn))) == 3


@pytest.mark.parametrize(('stop_at', 'checkpoint'), [(9, dict(interval=1)), (7, dict(interval=1, by_epoch=False))])
def test_a_resumed_run_goes_on_with_the_samples_that_come_next(tmp_path, stop_at, checkpoint):
    whole = train(tmp_path / 'whole')
    train(tmp_path / 'cut', stop_at=stop_at, **checkpoint)
    done = stop_at - stop_at % 4 if checkpoint.get('by_epoch', True) else stop_at
    resumed = train(tmp_path / 'cut', resume=True, **checkpoint)
    assert resumed.batches == whole.batches[done:]
    assert resumed.passed == whole.passed[done:]


def test_mmengines_endless_sampler_is_named(tmp_path):
    with pytest.raises(InputError, match=r'an epoch of InfiniteSampler never ends; set .*type=SeededInfiniteSampler'):
        train(tmp_path / 'endless', sampler='InfiniteSampler')


def test_epochs_without_a_batch_are_named(tmp_path):
    with pytest.raises(InputError, match='drop_last leaves an epoch without a batch; use a smaller batch_size'):
        train(tmp_path / 'empty', loader=dict(batch_size=8, drop_last=True))
    whole = train(tmp_path / 'whole', loader=dict(batch_size=3, drop_last=True))
    assert [len(batch[0]) for batch in whole.batches] == [3] * 6
