"""Loaders, timed on one core as a worker runs them."""

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
    """For each augmentation the loaders that draw it; each call loads the next batch.

    Args:
        config: Of a training.
        batch: Images in a call.
        cache_dir: Folder for decoded images, for one more loader; ``None`` is none.
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
    """The config's train set with a pipeline."""
    return DATASETS.build({**config.train_dataloader.dataset, 'pipeline': list(pipeline), **options})


class Batches:
    """Loads the next batch when called. All that draw alike load the same samples, as each batch has its seed.

    Args:
        data: With a length and items.
        size: Images in a batch.
    """

    def __init__(self, data: Any, size: int) -> None:
        self.data = data
        self.size = size
        self.number = 0

    def __call__(self) -> None:
        """See the class."""
        np.random.seed(self.number)
        for place in range(self.number * self.size, (self.number + 1) * self.size):
            self.data[place % len(self.data)]
        self.number += 1


@contextmanager
def one_core() -> Iterator[None]:
    """PyTorch and OpenCV on one thread, as in a worker."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
