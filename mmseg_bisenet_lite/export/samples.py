"""Frames for calibration and for the parity check: from a dataset, from a folder, or drawn."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import cv2
import numpy as np
from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_bisenet_lite.datasets.toy import render_scene
from mmseg_bisenet_lite.deploy.images import is_image, read_image
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.sizes import size_text

Size = tuple[int, int] | None  # (width, height) in pixels; None keeps the size of every frame


@dataclass(frozen=True)
class Sample:
    """A frame and its ground truth.

    Attributes:
        name: Name in reports.
        frame: (height, width, 3), uint8, BGR.
        label: (height, width), uint8: 0 for background, 1 for foreground, others are ignored; ``None`` without ground truth.
    """

    name: str
    frame: np.ndarray
    label: np.ndarray | None

    def resized(self, size: Size) -> 'Sample':
        """Scale the frame and its label to cover another size without distortion, and crop what is beyond it on both sides."""
        if size is None or self.frame.shape[1::-1] == size:
            return self
        height, width = self.frame.shape[:2]
        scale = max(size[0] / width, size[1] / height)
        inner = max(1, round(size[0] / scale)), max(1, round(size[1] / scale))  # (width, height) of the region that stays
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        region = slice(top, top + inner[1]), slice(left, left + inner[0])
        with as_input_error(f'{self.name}: cannot be resized to {size_text(size)}; check --size', cv2.error):
            frame = cv2.resize(self.frame[region], size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        label = None if self.label is None else cv2.resize(self.label[region], size, interpolation=cv2.INTER_NEAREST_EXACT)
        return Sample(self.name, frame, label)


class Samples(Sequence[Sample]):
    """A sequence of frames, each read on access.

    Attributes:
        source: Name in reports.
        indices: Indices of the frames in their source.
    """

    def __init__(self, source: str, count: int) -> None:
        self.source = source
        self.indices = list(range(count))

    def read(self, index: int) -> Sample:
        """Read one frame of the source by its index there."""
        raise NotImplementedError

    def path(self, index: int) -> Path | None:
        """Return the image file of a frame of the source; ``None`` if it is drawn."""
        return None

    def without(self, others: 'Samples') -> 'Samples':
        """Return the frames whose image files are not among those of ``others``."""
        taken = {path.resolve() for index in others.indices if (path := others.path(index)) is not None}
        part = copy.copy(self)
        part.indices = [i for i in self.indices if (path := self.path(i)) is None or path.resolve() not in taken]
        return part

    @overload
    def __getitem__(self, i: int) -> Sample: ...
    @overload
    def __getitem__(self, i: slice) -> 'Samples': ...
    def __getitem__(self, i: int | slice) -> 'Sample | Samples':
        if isinstance(i, int):
            return self.read(self.indices[i])
        part = copy.copy(self)
        part.indices = self.indices[i]
        return part

    def __len__(self) -> int:
        return len(self.indices)

    def shuffled(self) -> 'Samples':
        """Return the frames in a fixed random order, since neighbouring frames of a video are alike."""
        part = copy.copy(self)
        part.indices = np.random.default_rng(0).permutation(self.indices).tolist()
        return part


class DatasetSamples(Samples):
    """The frames of a config's dataset.

    Args:
        config: The config.
        split: ``'val'`` or ``'train'``; both go through the val pipeline, so train frames have no augmentation.
        size: (width, height) of the frames in pixels; ``None`` keeps their sizes.

    Raises:
        InputError: The config has no such dataset, or its files are missing.
    """

    def __init__(self, config: Config, split: str, size: Size) -> None:
        message = f'{config.filename}: has no {split}_dataloader with a dataset; add one'
        with as_input_error(message, AttributeError, KeyError, TypeError):
            dataset = config[f'{split}_dataloader'].dataset
        while 'pipeline' not in dataset and 'dataset' in dataset:  # a RepeatDataset or another wrapper
            dataset = dataset.dataset
        dataset = {**dataset, 'pipeline': config.val_dataloader.dataset.pipeline}
        other = {'val': 'compare on other frames with --frames DIR or renders', 'train': 'calibrate int8 on --frames renders'}
        message = f'{config.filename}: cannot read the {split} set; check its data_root and its images, or {other[split]}'
        with as_input_error(message, FileNotFoundError, ValueError):  # MMEngine's error for a set without images
            self.dataset = DATASETS.build(dataset)
        super().__init__(f'{split} set, {type(self.dataset).__name__}', len(self.dataset))
        self.size = size

    def path(self, index: int) -> Path | None:
        """Return the image file of a frame; see :meth:`Samples.path`."""
        path = self.dataset.get_data_info(index).get('img_path')
        return None if path is None else Path(path)

    def read(self, index: int) -> Sample:
        """Read a frame; see :meth:`Samples.read`."""
        data = self.dataset[index]
        sample = data['data_samples']
        label = sample.gt_sem_seg.data[0].numpy().astype(np.uint8) if 'gt_sem_seg' in sample else None
        frame = np.ascontiguousarray(data['inputs'].permute(1, 2, 0).numpy())
        if label is not None and label.shape != frame.shape[:2]:  # a pipeline may resize the image alone
            label = cv2.resize(label, frame.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return Sample(Path(sample.img_path).name, frame, label).resized(self.size)


class FolderSamples(Samples):
    """The images in a folder and its subfolders, without ground truth.

    Args:
        folder: The folder.
        size: (width, height) of the frames in pixels; ``None`` keeps their sizes.

    Raises:
        InputError: The folder has no images.
    """

    def __init__(self, folder: Path, size: Size) -> None:
        self.files = sorted(filter(is_image, folder.rglob('*')))
        if not self.files:
            raise InputError(
                f'--frames {folder}: no such folder, or no .png, .jpg or .bmp images in it; give val, renders or another folder'
            )
        super().__init__(f'{folder.name}/', len(self.files))
        self.size = size

    def path(self, index: int) -> Path | None:
        """Return the image file of a frame; see :meth:`Samples.path`."""
        return self.files[index]

    def read(self, index: int) -> Sample:
        """Read a frame; see :meth:`Samples.read`."""
        file = self.files[index]
        return Sample(file.name, read_image(file), None).resized(self.size)


class RenderedSamples(Samples):
    """Street scenes drawn by the toy dataset, the same in every run, without ground truth.

    Args:
        size: (width, height) of the frames in pixels; ``None`` is 640x360.
        count: Number of frames.
        first: Number of the first scene; each number is another scene.
    """

    def __init__(self, size: Size, count: int = 50, first: int = 0) -> None:
        super().__init__('renders', count)
        self.size = size or (640, 360)
        self.first = first

    def read(self, index: int) -> Sample:
        """Read a frame; see :meth:`Samples.read`."""
        number = self.first + index
        return Sample(f'render {number}', render_scene(np.random.default_rng(number), *self.size)[0], None)


def samples_to_compare(source: str, config: Config, size: Size) -> Samples:
    """Return the frames for the parity check.

    Args:
        source: ``'val'`` for the config's val set, ``'renders'``, or a folder of images.
        config: The config.
        size: (width, height) of the frames in pixels; ``None`` keeps their sizes.

    Raises:
        InputError: There are no frames.
    """
    if source == 'renders':
        return RenderedSamples(size)
    return DatasetSamples(config, 'val', size) if source == 'val' else FolderSamples(Path(source), size)


def samples_to_calibrate(source: str, config: Config, size: Size) -> Samples:
    """Return the frames for int8 calibration: the config's train set, or other renders for ``'renders'``.

    These are other frames than those of the parity check.

    Args:
        source: Source of the frames for the parity check; see :func:`samples_to_compare`.
        config: The config.
        size: (width, height) of the frames in pixels; ``None`` keeps their sizes.

    Raises:
        InputError: There are no frames.
    """
    if source == 'renders':
        return RenderedSamples(size, 200, first=1000)
    return DatasetSamples(config, 'train', size).shuffled()
