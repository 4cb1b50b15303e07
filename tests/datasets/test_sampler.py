import itertools
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmseg.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import DataLoader

from mmseg_bisenet_lite import CityscapesVehicleDataset, SeededInfiniteSampler
from mmseg_bisenet_lite.datasets import sampler as module
from mmseg_bisenet_lite.datasets.sampler import SeededIndex
from mmseg_bisenet_lite.utils.errors import InputError


def first(sampler, count):
    return [(int(index), index.seed) for index in itertools.islice(iter(sampler), count)]


@given(size=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_every_pass_holds_every_sample_once(size, seed):
    drawn = first(SeededInfiniteSampler(range(size), seed=seed), 3 * size)
    for number in range(3):
        assert sorted(index for index, _ in drawn[number * size : (number + 1) * size]) == list(range(size))


def test_passes_differ_in_order_and_samples_in_their_seeds():
    drawn = first(SeededInfiniteSampler(range(50), seed=0), 500)
    assert len({tuple(index for index, _ in drawn[k : k + 50]) for k in range(0, 500, 50)}) == 10
    assert len({seed for _, seed in drawn}) == 500
    assert [index for index, _ in first(SeededInfiniteSampler(range(3), shuffle=False, seed=0), 7)] == [0, 1, 2, 0, 1, 2, 0]


def test_the_seed_decides():
    assert first(SeededInfiniteSampler(range(9), seed=1), 30) == first(SeededInfiniteSampler(range(9), seed=1), 30)
    assert first(SeededInfiniteSampler(range(9), seed=1), 30) != first(SeededInfiniteSampler(range(9), seed=2), 30)


@given(size=st.integers(1, 9), seen=st.integers(0, 40), world=st.integers(1, 4))
def test_skipping_goes_on_where_a_run_ended(size, seen, world):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, 'get_dist_info', lambda: (world - 1, world))
        whole = first(SeededInfiniteSampler(range(size), seed=3), seen + 10)
        resumed = SeededInfiniteSampler(range(size), seed=3)
        resumed.skip(seen)
        assert first(resumed, 10) == whole[seen:]


@given(size=st.integers(1, 9), world=st.integers(1, 4))
def test_processes_share_the_samples(size, world):
    parts = []
    for rank in range(world):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, world))
            parts.append(first(SeededInfiniteSampler(range(size), seed=3), 10))
    together = [sample for samples in zip(*parts, strict=True) for sample in samples]
    assert together == first(SeededInfiniteSampler(range(size), seed=3), 10 * world)


@given(size=st.integers(1, 9), world=st.integers(1, 4), number=st.integers(0, 3))
def test_a_pass_ends_and_its_processes_share_every_sample(size, world, number):
    parts = []
    for rank in range(world):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, world))
            sampler = SeededInfiniteSampler(range(size), seed=3)
        sampler.only_pass(number)
        parts.append([(int(index), index.seed) for index in sampler])
        assert len(parts[-1]) == len(sampler)
        sampler.only_pass(number, skipped=1)
        assert [(int(index), index.seed) for index in sampler] == parts[-1][1:]
    together = [sample for samples in zip(*parts, strict=True) for sample in samples]
    assert {index for index, _ in together} == set(range(size))
    assert len(together) - size < world  # the fewest that give all processes as many
    assert len({seed for _, seed in together}) == len(together)
    if world == 1:
        assert together == first(SeededInfiniteSampler(range(size), seed=3), (number + 1) * size)[-size:]


def test_the_index_is_a_number_and_travels_to_workers():
    index = pickle.loads(pickle.dumps(SeededIndex(5, 77)))  # noqa: S301
    assert index == 5
    assert index.seed == 77


def test_an_empty_data_set_is_named():
    with pytest.raises(InputError, match='has no samples'):
        SeededInfiniteSampler([], seed=0)


PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResizeCropFlip', scale_factors=(0.75, 1.0, 1.5), crop_size=(24, 32)),
    dict(type='PackSegInputs'),
]


@pytest.mark.parametrize('wrap', [lambda d: RepeatDataset(d, 3), lambda d: ConcatDataset([d, d]), lambda d: d])
def test_wrapped_data_sets_hand_the_seed_on(toy, wrap):
    prefix = dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')
    dataset = wrap(CityscapesVehicleDataset(data_root=str(toy), data_prefix=prefix, pipeline=PIPELINE))
    for index in (0, len(dataset) - 1):
        samples = []
        for state in (1, 2):
            np.random.seed(state)
            samples.append(dataset[SeededIndex(index, 99)]['inputs'])
        assert torch.equal(*samples)
    assert not torch.equal(dataset[SeededIndex(0, 1)]['inputs'], dataset[SeededIndex(0, 2)]['inputs'])


def batches(dataset, workers):
    sampler = DATA_SAMPLERS.build(dict(type='SeededInfiniteSampler'), default_args=dict(dataset=dataset, seed=5))
    loader = DataLoader(dataset, 2, sampler=sampler, num_workers=workers, collate_fn=list)
    return [torch.stack([sample['inputs'] for sample in batch]) for batch in itertools.islice(iter(loader), 6)]


@pytest.mark.parametrize('workers', [1, 3])
def test_samples_do_not_depend_on_the_number_of_workers(toy, workers):
    pipeline = [*PIPELINE[:3], dict(type='PhotoMetricDistortion'), PIPELINE[3]]
    prefix = dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')
    dataset = CityscapesVehicleDataset(data_root=str(toy), data_prefix=prefix, pipeline=pipeline)
    np.random.seed(123)  # whatever was drawn before
    assert all(torch.equal(a, b) for a, b in zip(batches(dataset, 0), batches(dataset, workers), strict=True))


@pytest.mark.parametrize('workers', [1, 3])
@pytest.mark.parametrize('chosen', [None, ['0001TP', '0006R0']])  # of the others val has no photograph
def test_nor_do_they_in_train_and_val_together(drives, workers, chosen):
    pipeline = [*PIPELINE[:3], dict(type='PhotoMetricDistortion'), PIPELINE[3]]
    folders = [dict(img_path=split, seg_map_path=f'{split}annot') for split in ('val', 'train')]
    common = dict(type='CamVidVehicleDataset', data_root=str(drives), pipeline=pipeline, drives=chosen)
    dataset = DATASETS.build(dict(type='ConcatDataset', datasets=[common | dict(data_prefix=folder) for folder in folders]))
    assert len(dataset) == (5 if chosen else 11)
    np.random.seed(123)  # whatever was drawn before
    assert all(torch.equal(a, b) for a, b in zip(batches(dataset, 0), batches(dataset, workers), strict=True))
