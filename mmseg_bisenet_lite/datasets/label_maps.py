"""Label maps of a data set, ours or MMSegmentation's: read as its pipeline reads them, for checks of their values."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import LoadAnnotations as AnyLoadAnnotations
from mmengine.dataset import BaseDataset
from mmseg.datasets.transforms import LoadAnnotations

from mmseg_bisenet_lite.datasets.tiles import Tile
from mmseg_bisenet_lite.datasets.transforms.loading import LoadBinaryAnnotations, MapLabelsAfter, map_labels, unknown_values
from mmseg_bisenet_lite.utils.errors import InputError, first_line


class MissingFileError(InputError):
    """A label map or its photograph is missing."""


@dataclass(frozen=True, eq=False)
class LabelMap:
    """The label map of a photograph.

    Attributes:
        path: Its file.
        values: (height, width), uint8, as they are in the file; of a loader of the user's own, the classes that it gives.
        table: (256,): class of each value, as the data set takes it; of such classes, themselves.
        pixels: (256,): number of pixels with each value.
        stray: Values with pixels that are no class of the data set, ascending.
        name: Gives a value's name for messages; of colours it is not their number.
    """

    path: str
    values: np.ndarray
    table: np.ndarray
    pixels: np.ndarray
    stray: list[int]
    name: Callable[[int], str] = str


class LabelReader:
    """Reader of a data set's label maps, as its pipeline reads them; threads may share it.

    Args:
        dataset: A data set of MMEngine's ``BaseDataset`` with names of classes.
        name: Name of the data set in messages, such as ``'train'``.

    Attributes:
        classes: Names of the classes.
        ignored: Class of ignored pixels.
        known: Classes that a value may have, with ``ignored``.
    """

    def __init__(self, dataset: Any, name: str) -> None:
        self.name = name
        self.classes: Sequence[str] = dataset.metainfo['classes']
        self.ignored: int = getattr(dataset, 'ignore_index', 255)
        self.known = {*range(len(self.classes)), self.ignored}
        self._ann_file = dataset.ann_file
        self._name: Callable[[int], str] = getattr(dataset, 'label_name', str)
        self._transforms = dataset.pipeline.transforms
        load = _loader(self._transforms)
        if type(load) is LoadAnnotations:  # read as it does, but with the checks
            load = LoadBinaryAnnotations(imdecode_backend=load.imdecode_backend, backend_args=load.backend_args)
        self._load = load

    def missing(self, file: str) -> MissingFileError:
        """Return the error for a file of the set that is not there."""
        advice = f", or correct the list {self._ann_file}; type='BinarySegDataset' reads lists of every kind"
        return MissingFileError(
            f'{file}: this file of the {self.name} set is missing; add it{advice if self._ann_file else ""}'
        )

    def stray_error(self, label: LabelMap) -> InputError:
        """Return the error for a label map with ``stray`` values."""
        stray = label.values[np.isin(label.values, label.stray)]
        return unknown_values(label.path, stray, np.flatnonzero(np.isin(label.table, [*self.known])).tolist())

    def read(self, info: dict, size: tuple[int, int] | None) -> LabelMap | None:
        """Read the label map of a sample; ``None`` if no transform loads one.

        Args:
            info: The sample's info, as :func:`whole_files` gives it.
            size: (height, width) of its photograph, turned upright; ``None`` if it is not known.

        Raises:
            MissingFileError: The file is missing.
            SizesDifferError: It does not have the photograph's size.
            InputError: It is damaged, or not a label map.
        """
        path = info['seg_map_path']
        try:
            sample: Any = copy.copy(info)
            table = np.arange(256)
            if isinstance(self._load, LoadBinaryAnnotations):
                sample['gt_seg_map'] = self._load.values_of(sample)
                ours = sample.pop('label_table', None)
                table = _host_table(info) if ours is None else ours
            else:
                for transform in self._transforms if self._load is None else [self._load]:
                    sample = transform(sample)
                    if not isinstance(sample, dict) or 'gt_seg_map' in sample:
                        break
            if not isinstance(sample, dict) or 'gt_seg_map' not in sample:
                return None
            if size is not None and size != sample['gt_seg_map'].shape[:2]:
                sample['ori_shape'] = size
            map_labels(sample)
        except FileNotFoundError as error:
            raise self.missing(error.filename or path) from error
        except (OSError, SyntaxError) as error:  # Pillow's errors for broken files
            raise InputError(f'{path}: not a readable label map, or a truncated one ({first_line(error)})') from error
        values = np.ascontiguousarray(sample['gt_seg_map'])
        pixels = cv2.calcHist([values], [0], None, [256], [0, 256]).ravel()
        stray = [value for value in np.flatnonzero(pixels).tolist() if table[value] not in self.known]
        return LabelMap(path, values, table, pixels, stray, self._name)


@dataclass
class ValueTally:
    """What the label maps of a set hold in all.

    Attributes:
        classes: Names of the classes.
        ignored: Class of ignored pixels.
        checked: Number of label maps.
        files: Value, its name and its meaning -> number of files that have it, and the first one.
    """

    classes: Sequence[str]
    ignored: int
    checked: int = 0
    files: dict[tuple[int, str, str], tuple[int, str]] = field(default_factory=dict)

    def add(self, label: LabelMap) -> None:
        """Add a label map without stray values."""
        self.checked += 1
        for value in np.flatnonzero(label.pixels).tolist():
            kind = int(label.table[value])
            key = (value, label.name(value), 'ignored' if kind == self.ignored else self.classes[kind])
            count, first = self.files.get(key, (0, label.path))
            self.files[key] = (count + 1, first)

    def plus(self, other: 'ValueTally') -> 'ValueTally':
        """Return what this set and another one of the same classes hold together."""
        files = dict(self.files)
        for key, (count, first) in other.files.items():
            files[key] = (count + files[key][0], files[key][1]) if key in files else (count, first)
        return ValueTally(self.classes, self.ignored, self.checked + other.checked, files)

    @property
    def white(self) -> bool:
        """Whether there are only 0 and 255, and 255 is ignored, as in a data set that does not know of masks in white."""
        ignored = any((value, meaning) == (255, 'ignored') for value, _, meaning in self.files)
        return ignored and {value for value, _, _ in self.files} == {0, 255}

    def problem(self, name: str) -> str | None:
        """Return what is wrong with the set as a whole and what to do about it, in one line; ``None`` if nothing is.

        Of two classes both must have pixels. Of more classes some may be rare, but masks of 0 and 255, the ignored value, hold
        none.

        Args:
            name: Name of the set in the message, such as ``'train'``.
        """
        present = {meaning for _, _, meaning in self.files}
        values = {value for value, _, _ in self.files}
        lacking = [each for each in self.classes if each not in present]
        two = len(self.classes) == 2
        if not self.checked or not lacking or not (two or self.white):
            return None
        found = ', '.join(
            f'{shown} ({meaning}) in {count} files such as {first}'
            for (_, shown, meaning), (count, first) in sorted(self.files.items())
        )
        background, foreground = self.classes if two else ('background', 'foreground')
        pair = next((pair for pair in ((0, 255), (0, 1)) if values <= {*pair}), None) if values != {0} else None
        meaning = f'{{{pair[0]}: {background!r}, {pair[1]}: {foreground!r}}}' if pair else '{VALUE: NAME, ...}'
        lacks = ' and none of '.join(lacking) if two else f'{len(lacking)} of its {len(self.classes)} classes'
        return (
            f'the {name} set has no pixel of {lacks}, so nothing can be learned or judged. Its '
            f"{self.checked} label maps hold {found}. Say what the values mean with type='BinarySegDataset', "
            f'values={meaning}, foreground={foreground!r}, or with foreground= and background= of BinaryMaskDataset, or give '
            f'label maps that have {"both" if two else "these"} classes'
        )


def inner_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets in wrappers such as ``ConcatDataset``."""
    if isinstance(dataset, BaseDataset) or not (hasattr(dataset, 'datasets') or hasattr(dataset, 'dataset')):
        yield dataset
        return
    for inner in getattr(dataset, 'datasets', None) or [dataset.dataset]:
        yield from inner_datasets(inner)


def whole_files(infos: Iterator[dict]) -> Iterator[dict]:
    """Yield the infos of samples with whole files in place of tiles, each file once."""
    done = set()
    for info in infos:
        whole = {**info, **{key: Tile.of(info[key]).path for key in ('img_path', 'seg_map_path') if info.get(key) is not None}}
        file = whole.get('seg_map_path') or whole['img_path']
        if file not in done:
            done.add(file)
            yield whole


def _loader(transforms: Any) -> Any:
    """Return MMSegmentation's transform that loads label maps, or one like it, also from the branches of others."""
    for transform in transforms if isinstance(transforms, list | tuple) else getattr(transforms, 'transforms', ()):
        inner = transform.inner if isinstance(transform, MapLabelsAfter) else transform
        if isinstance(inner, AnyLoadAnnotations):
            return transform
        for branches in ('transforms', 'subroutines'):
            if found := _loader(getattr(inner, branches, ())):
                return found
    return None


def _host_table(info: dict) -> np.ndarray:
    """Return the class of each label value as MMSegmentation's ``LoadAnnotations`` maps it."""
    table = np.arange(256)
    if info.get('reduce_zero_label'):
        table = np.where((table == 0) | (table == 255), 255, table - 1)
    mapped = table.copy()
    for old, new in (info.get('label_map') or {}).items():
        mapped[table == old] = new
    return mapped
