"""Loaders to time on one core, as a worker runs them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_bisenet_lite.benchmark.training.stock import StockData, cityscapes_pipeline, stock_classes, stock_pipeline


def loaders(config: Config, batch: int, cache_dir: str | None) -> dict[str, dict[str, 'Batches']]:
    """Return the loaders of each augmentation, ours and MMSegmentation's.

    Args:
        config: Config of a training.
        batch: Images in a batch.
        cache_dir: Folder for decoded images, for one more loader of ours; ``None`` leaves that one out.

    Returns:
        For each augmentation the loaders by name; each call of a loader loads the next batch.
    """
    own = [dict(step) for step in config.train_dataloader.dataset.pipeline]
    data = build_data(config, own)
    first = data[0]['data_samples'].ori_shape
    kinds = {
        "the config's augmentation": own,
        "the augmentation of MMSegmentation's Cityscapes configs": cityscapes_pipeline(own, (first[1], first[0])),
    }
    groups: dict[str, dict[str, Batches]] = {}
    for name, pipeline in kinds.items():
        stock = stock_pipeline(pipeline)
        data_sets = {'mmseg': StockData(data, stock), 'mmseg, 19 classes': stock_classes(config, stock)}
        data_sets['ours'] = build_data(config, pipeline)
        if cache_dir is not None:
            data_sets['ours, cached'] = build_data(config, pipeline, cache_dir=cache_dir)
        groups[name] = {who: Batches(data_set, batch) for who, data_set in data_sets.items() if data_set is not None}
    return groups


def build_data(config: Config, pipeline: Sequence[dict], **options: Any) -> Any:
    """Build the config's train set with another pipeline."""
    return DATASETS.build({**config.train_dataloader.dataset, 'pipeline': list(pipeline), **options})


class Batches:
    """Loads the next batch at each call. Each batch has its own seed, so loaders with the same draws load the same samples.

    Args:
        data: The dataset.
        size: Images in a batch.
    """

    def __init__(self, data: Any, size: int) -> None:
        self.data = data
        self.size = size
        self.number = 0

    def __call__(self) -> None:
        """Load the next batch."""
        np.random.seed(self.number)
        for place in range(self.number * self.size, (self.number + 1) * self.size):
            self.data[place % len(self.data)]
        self.number += 1


@contextmanager
def one_core() -> Iterator[None]:
    """Run PyTorch and OpenCV on one thread, as in a worker."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
