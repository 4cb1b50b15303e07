"""MMSegmentation's own counterparts of our transforms, datasets and optimizer wrapper."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import Compose
from mmengine.config import Config
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS, TRANSFORMS
from torch.utils.data import Dataset

from mmseg_bisenet_lite.datasets.binary import BinarySegDataset
from mmseg_bisenet_lite.datasets.cityscapes import CityscapesBinaryDataset
from mmseg_bisenet_lite.datasets.transforms import FastPhotoMetricDistortion, RandomResizeCropFlip
from mmseg_bisenet_lite.datasets.transforms.loading import UNKNOWN
from mmseg_bisenet_lite.utils.registry import class_of


def stock_pipeline(pipeline: Sequence[dict]) -> list[dict]:
    """Replace our transforms by MMSegmentation's own, with the same augmentation."""
    steps: list[dict] = []
    for step in pipeline:
        kind = class_of(TRANSFORMS, step['type'])
        if kind is RandomResizeCropFlip:
            steps += _resize_crop_flip(**{key: value for key, value in step.items() if key != 'type'})
        elif kind is FastPhotoMetricDistortion:
            steps.append({**step, 'type': 'PhotoMetricDistortion'})
        else:
            steps.append(dict(step))
    return steps


def _resize_crop_flip(
    crop_size: Sequence[int],
    scale_factors: Sequence[float] | None = None,
    scale: Sequence[int] | None = None,
    ratio_range: Sequence[float] | None = None,
    cat_max_ratio: float = 1.0,
    ignore_index: int = 255,
    flip_prob: float = 0.5,
) -> list[dict]:
    resize: dict[str, Any]
    if scale_factors is None:
        resize = dict(type='RandomResize', scale=scale, ratio_range=ratio_range, keep_ratio=True)
    else:
        branches = [[dict(type='Resize', scale_factor=float(factor), keep_ratio=True)] for factor in scale_factors]
        resize = dict(type='RandomChoice', transforms=branches)
    crop = dict(type='RandomCrop', crop_size=tuple(crop_size), cat_max_ratio=cat_max_ratio, ignore_index=ignore_index)
    return [resize, crop, dict(type='RandomFlip', prob=float(flip_prob))]


def cityscapes_pipeline(pipeline: Sequence[dict], size: tuple[int, int]) -> list[dict]:
    """Replace the augmentation of a pipeline of ours by that in MMSegmentation's Cityscapes configs, with our transforms.

    Args:
        pipeline: The pipeline; its loaders, crop size and packing are kept.
        size: (width, height) of the photographs in pixels.

    Source: ``mmseg::_base_/datasets/cityscapes_1024x1024.py``.
    """
    crop_size = next((step['crop_size'] for step in pipeline if 'crop_size' in step), size[::-1])
    augmentation: list[dict] = [
        dict(type='RandomResizeCropFlip', crop_size=crop_size, scale=size, ratio_range=(0.5, 2.0), cat_max_ratio=0.75),
        dict(type='FastPhotoMetricDistortion'),
    ]
    return [*pipeline[:2], *augmentation, pipeline[-1]]


class StockData(Dataset):
    """A dataset of ours, loaded with MMSegmentation's own loaders and transforms.

    Args:
        data: The dataset with the files and the meaning of their labels.
        pipeline: Pipeline of MMSegmentation's transforms.
    """

    def __init__(self, data: BinarySegDataset, pipeline: Sequence[dict]) -> None:
        self.data = data
        self.pipeline = Compose([TRANSFORMS.build(step) for step in pipeline])
        self.metainfo = data.metainfo
        own = data.class_table if data.keep_classes else data.label_table
        table = np.full(256, UNKNOWN) if own is None else own
        self.label_map = {value: int(kind) for value, kind in enumerate(table) if kind not in (UNKNOWN, value)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        return self.pipeline({**self.data.get_data_info(int(index)), 'label_map': self.label_map})


def stock_classes(config: Config, pipeline: Sequence[dict]) -> Dataset | None:
    """Return MMSegmentation's dataset of 19 classes on the same files; ``None`` if these are not Cityscapes' train IDs."""
    dataset = config.train_dataloader.dataset
    kind = class_of(DATASETS, dataset.type)
    if kind is None or not issubclass(kind, CityscapesBinaryDataset):
        return None
    data = DATASETS.build(dataset)
    if data.tiles != (1, 1) or not str(data.get_data_info(0)['seg_map_path']).endswith('_labelTrainIds.png'):
        return None
    return CityscapesDataset(data_root=dataset.data_root, data_prefix=dataset.data_prefix, pipeline=pipeline)


def stock_optim_wrapper(config: Config) -> dict:
    """Return the config of MMSegmentation's own OptimWrapper, with the options that it has in common with ours."""
    hosts = ('optimizer', 'paramwise_cfg', 'clip_grad', 'accumulative_counts', 'constructor')
    return dict(type='OptimWrapper', **{key: value for key, value in config.optim_wrapper.items() if key in hosts})
