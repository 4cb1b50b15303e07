import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import DATASETS, TRANSFORMS

from mmseg_bisenet_lite.benchmark.training.stock import (
    StockData,
    cityscapes_pipeline,
    stock_classes,
    stock_optim_wrapper,
    stock_pipeline,
)

OURS = ('RandomResizeCropFlip', 'FastPhotoMetricDistortion')


@pytest.fixture
def config(small_config):
    return Config.fromfile(small_config)


def names(pipeline):
    return [step['type'] for step in pipeline]


@pytest.mark.parametrize('augmentation', ['own', 'cityscapes'])
@pytest.mark.parametrize('kind', ['CityscapesVehicleDataset', 'CityscapesHumanDataset'])
def test_the_stock_loader_gives_the_same_samples(config, kind, augmentation):
    pipeline = config.train_dataloader.dataset.pipeline
    pipeline[2] = dict(type='RandomResizeCropFlip', scale_factors=(0.75, 1.0, 2.0), crop_size=(24, 40))
    if augmentation == 'cityscapes':
        pipeline = cityscapes_pipeline(pipeline, (128, 64))
        del pipeline[-2]  # the colours, which round otherwise
    dataset = {**config.train_dataloader.dataset, 'type': kind, 'pipeline': pipeline}
    ours = DATASETS.build(dataset)
    stock = StockData(ours, stock_pipeline(pipeline))
    assert len(stock) == len(ours)
    for index in range(len(ours)):
        samples = []
        for data in (ours, stock):
            np.random.seed(index)
            samples.append(data[index])
        labels = [sample['data_samples'].gt_sem_seg.data for sample in samples]
        assert torch.equal(*labels)
        assert (samples[0]['inputs'].float() - samples[1]['inputs'].float()).abs().mean() < 0.5


def test_nothing_of_ours_is_left_in_the_stock_pipeline(config):
    pipeline = cityscapes_pipeline(config.train_dataloader.dataset.pipeline, (128, 64))
    assert [name for name in names(pipeline) if name in OURS] == list(OURS)
    expected = ['LoadImageFromFile', 'LoadAnnotations', 'RandomResize', 'RandomCrop', 'RandomFlip', 'PhotoMetricDistortion']
    assert names(stock_pipeline(pipeline)) == [*expected, 'PackSegInputs']
    written_otherwise = [{**step, 'type': TRANSFORMS.get(step['type'])} for step in pipeline]
    assert names(stock_pipeline(written_otherwise))[2:-1] == expected[2:]
    loaders = StockData(DATASETS.build(config.train_dataloader.dataset), stock_pipeline(pipeline)).pipeline.transforms[:2]
    assert [type(loader).__name__ for loader in loaders] == ['LoadImageFromFile', 'LoadAnnotations']


def test_the_cityscapes_augmentation_is_the_hosts(tmp_path, config):
    path = tmp_path / 'config.py'
    path.write_text("_base_ = 'mmseg::_base_/datasets/cityscapes_1024x1024.py'")
    hosts = Config.fromfile(path).train_pipeline
    pipeline = config.train_dataloader.dataset.pipeline
    pipeline[2]['crop_size'] = (1024, 1024)
    ours = stock_pipeline(cityscapes_pipeline(pipeline, (2048, 1024)))
    ours = [{key: value for key, value in step.items() if key not in ('ignore_index', '_scope_')} for step in ours]
    assert ours == [{key: value for key, value in step.items() if key != '_scope_'} for step in hosts]


def test_its_19_classes_are_read_where_the_files_have_them(config):
    pipeline = stock_pipeline(config.train_dataloader.dataset.pipeline)
    data = stock_classes(config, pipeline)
    assert len(data) == 8
    assert len(data.metainfo['classes']) == 19
    config.train_dataloader.dataset.type = 'CityscapesHumanDataset'
    assert stock_classes(config, pipeline) is None
    config.train_dataloader.dataset.type = 'CamVidVehicleDataset'
    assert stock_classes(config, pipeline) is None


def test_the_stock_wrapper_keeps_what_is_the_hosts(config):
    config.optim_wrapper.update(clip_grad=dict(max_norm=1), dtype='float32', channels_last=False)
    wrapper = stock_optim_wrapper(config)
    assert wrapper == dict(type='OptimWrapper', optimizer=config.optim_wrapper.optimizer, clip_grad=dict(max_norm=1))


def test_the_stock_loader_keeps_classes_too(drives, root):
    config = Config.fromfile(root / 'configs' / 'camvid' / 'lite-n_hinge_vehicle.py').train_dataloader.dataset
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    ours = DATASETS.build({**config, 'data_root': str(drives), 'pipeline': pipeline})
    labels = [data[0]['data_samples'].gt_sem_seg.data for data in (ours, StockData(ours, stock_pipeline(pipeline)))]
    assert {8, 9} < {*labels[0].unique().tolist()}
    assert torch.equal(*labels)
