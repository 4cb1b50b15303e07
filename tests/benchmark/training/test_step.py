import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmseg.models.decode_heads import decode_head

from mmseg_bisenet_lite import AutoAmpOptimWrapper
from mmseg_bisenet_lite.benchmark.training.step import PARTS, Training
from mmseg_bisenet_lite.benchmark.training.stock import StockData
from mmseg_bisenet_lite.utils import malloc

pytestmark = pytest.mark.slow


@pytest.fixture(params=[True, False], ids=['mmseg', 'ours'])
def training(request, small_config, monkeypatch):
    monkeypatch.setattr(malloc, 'keep_memory', lambda: True)
    monkeypatch.setattr(decode_head, 'accuracy', decode_head.accuracy)  # is put back after the test
    config = Config.fromfile(small_config)
    config.merge_from_dict({'train_dataloader.batch_size': 2, 'train_dataloader.dataset.pipeline.2.crop_size': (48, 80)})
    config.model.data_preprocessor.size = (64, 96)  # the crops are padded, in place
    return request.param, Training(config.pretty_text, request.param, 'cpu', None)


def test_a_step_moves_the_weights_and_leaves_the_batch(training):
    stock, training = training
    assert isinstance(training.wrapper, OptimWrapper if stock else AutoAmpOptimWrapper)
    assert type(training.wrapper) is not OptimWrapper or stock
    assert isinstance(training.data, StockData) == stock
    before = copy.deepcopy(training.model.state_dict())
    labels = [sample.gt_sem_seg.data.shape for sample in training.batch['data_samples']]
    assert training.step() > 0
    assert training.step() > 0
    assert [sample.gt_sem_seg.data.shape for sample in training.batch['data_samples']] == labels
    assert not torch.equal(training.model.decode_head.conv_seg.weight, before['decode_head.conv_seg.weight'])


def test_the_parts_of_a_step_are_all_of_it(training):
    _, training = training
    steps = training.split(3)
    assert [tuple(step) for step in steps] == [PARTS] * 3
    assert all(seconds > 0 for step in steps for seconds in step.values())
    assert 'extract_feat' not in vars(training.model)  # all is as it was
    assert 'backward' not in vars(training.wrapper)


def test_a_step_without_an_update_has_none(training):
    _, training = training
    training.wrapper._accumulative_counts = 2
    (first, second) = training.split(2)
    assert sorted((first['update'] > 0, second['update'] > 0)) == [False, True]
    assert all(step['heads and losses'] > 0 for step in (first, second))


@pytest.mark.parametrize('workers', [0, 1])
def test_whole_iterations(training, workers):
    _, training = training
    training.config.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=True)  # of four batches
    found = training.iterate(workers, 0)
    assert len(found) == 4
    assert all(waited > 0 and stepped > 0 for waited, stepped in found)
