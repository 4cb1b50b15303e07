"""Frames for calibration and for the parity check: from a dataset, from a folder, or drawn."""

import copy
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import cv2
import numpy as np
from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_bisenet_lite.datasets.metainfo import inner_sets
from mmseg_bisenet_lite.datasets.tiles import Tile
from mmseg_bisenet_lite.datasets.toy import render_scene
from mmseg_bisenet_lite.deploy.fit import Letterbox
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import images_in, named, read_image

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
        """Letterbox the frame and its label into another size, as :class:`~mmseg_bisenet_lite.deploy.Segmenter` does.

        The label around the frame is 255, which is ignored.
        """
        height, width = self.frame.shape[:2]
        if size is None or (width, height) == size:
            return self
        box = Letterbox((width, height), size)
        with as_input_error(f'{self.name}: check --size', InputError):
            frame = box.put(self.frame)
        return Sample(self.name, frame, None if self.label is None else box.put_label(self.label))


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
            pipeline = inner_sets(config.val_dataloader.dataset)[0].pipeline
        # Their two classes, also where the training is on all classes of the label maps.
        parts = [{**part, 'pipeline': pipeline} for part in inner_sets(dataset)]
        for part in parts:
            part.pop('keep_classes', None)
        dataset = dict(type='ConcatDataset', datasets=parts) if len(parts) > 1 else parts[0]
        other = {'val': 'compare on other frames with --frames DIR or renders', 'train': 'calibrate int8 on --frames renders'}
        message = f'{config.filename}: cannot read the {split} set; check its data_root and its images, or {other[split]}'
        with as_input_error(message, FileNotFoundError, ValueError):  # MMEngine's error for a set without images
            self.dataset = DATASETS.build(dataset)
        kinds = ' and '.join(sorted({type(part).__name__ for part in getattr(self.dataset, 'datasets', [self.dataset])}))
        super().__init__(f'{split} set, {kinds}', len(self.dataset))
        self.size = size

    def path(self, index: int) -> Path | None:
        """Return the image file of a frame, of a tile the whole photograph's; see :meth:`Samples.path`."""
        path = self.dataset.get_data_info(index).get('img_path')
        return None if path is None else Path(Tile.of(path).path)

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
        self.files, left_out = images_in(file for file in folder.rglob('*') if not file.is_dir())
        if not self.files:
            raise InputError(f'--frames {folder}: no such folder, or no images in it; give val, renders or another folder')
        if left_out:
            names = named([str(file.relative_to(folder)) for file in left_out])
            warnings.warn(f'--frames {folder}: left out, not images: {names}', stacklevel=2)
        super().__init__(f'{folder.name}/', len(self.files))
        self.size = size

    def path(self, index: int) -> Path | None:
        """Return the image file of a frame; see :meth:`Samples.path`."""
        return self.files[index]

    def read(self, index: int) -> Sample:
        """Read a frame; see :meth:`Samples.read`."""
        file = self.files[index]
        name = os.fsencode(file.name).decode(errors='replace')  # which a report can hold
        return Sample(name, read_image(file), None).resized(self.size)


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
