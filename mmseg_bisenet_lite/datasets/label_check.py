"""LabelCheck: read the label maps of a data set, and refuse values that it does not know and classes without a pixel."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import LoadAnnotations as AnyLoadAnnotations
from mmengine.dataset import BaseDataset
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image, UnidentifiedImageError

from mmseg_bisenet_lite.datasets.mask_keys import as_colour
from mmseg_bisenet_lite.datasets.metainfo import require_two_classes
from mmseg_bisenet_lite.datasets.tiles import Tile
from mmseg_bisenet_lite.datasets.transforms.loading import LoadBinaryAnnotations, MapLabelsAfter, map_labels, unknown_values
from mmseg_bisenet_lite.utils.errors import InputError, first_line

# From a sample's info to its label map (H, W) and the class of each value (256,); None if no transform loads a label map.
Read = Callable[[dict], tuple[np.ndarray, np.ndarray] | None]


class LabelCheck:
    """Check of all label maps of a data set, one file at a time.

    It reads each file as the data set's pipeline does, ours or MMSegmentation's, and reads a file with several tiles once. A
    wrong file is an error that names it. At the end, with two classes, both must have pixels: without foreground a network
    that finds nothing is perfect.

    Args:
        name: Name of the data set in messages, such as ``'train'``.
        dataset: The data set, or a wrapper such as ``ConcatDataset`` or ``RepeatDataset``.

    Attributes:
        checked: Number of label maps that have been read.
        unreadable: Types of the data sets whose label maps the check cannot read.
    """

    def __init__(self, name: str, dataset: Any) -> None:
        self.name = name
        self.checked = 0
        self.unreadable: list[str] = []
        self._sets = list(_inner_sets(dataset))
        self._classes: Sequence[str] = ()
        self._seen: set[int] = set()  # classes that have a pixel
        self._files: dict[tuple[int, str, str], list[str]] = {}  # value, its name and its meaning -> files that have it
        self._steps = self._walk()

    def step(self) -> bool:
        """Check one more label map; return whether there may be more.

        Raises:
            InputError: A label map is missing, damaged, of another size than its photograph, or has an unknown value; or all
                have been read, and a class has no pixel.
        """
        return next(self._steps, None) is not None

    def _walk(self) -> Iterator[str]:
        for dataset in self._sets:
            classes = dataset.metainfo.get('classes') if isinstance(dataset, BaseDataset) else None
            if not classes:
                self.unreadable.append(type(dataset).__name__)
                continue
            read = _reader(dataset)
            self._classes = classes
            if len(classes) == 2:
                require_two_classes(classes)
            ignored = getattr(dataset, 'ignore_index', 255)
            done = set()
            for index in range(len(dataset)):
                info = dataset.get_data_info(index)
                if info.get('seg_map_path') is None:
                    continue
                info['seg_map_path'], info['img_path'] = (Tile.of(info[key]).path for key in ('seg_map_path', 'img_path'))
                if info['seg_map_path'] not in done:
                    done.add(info['seg_map_path'])
                    if not self._check(info, read, len(classes), ignored, dataset):
                        self.unreadable.append(type(dataset).__name__)
                        break
                    yield info['seg_map_path']
        if len(self._classes) == 2 and self.checked and not self.unreadable:
            self._require_both()

    def _check(self, info: dict, read: Read, classes: int, ignored: int, dataset: Any) -> bool:
        path, ann_file = info['seg_map_path'], dataset.ann_file
        try:
            loaded = read(info)
        except FileNotFoundError as error:
            listed = f", or correct the list {ann_file}; type='BinarySegDataset' reads lists of every kind" if ann_file else ''
            raise InputError(
                f'{error.filename or path}: this file of the {self.name} set is missing; add it{listed}'
            ) from error
        except (OSError, SyntaxError) as error:  # Pillow's errors for broken files
            raise InputError(f'{path}: not a readable label map, or a truncated one ({first_line(error)})') from error
        if loaded is None:
            return False
        label, table = loaded
        present = np.flatnonzero(cv2.calcHist([label], [0], None, [256], [0, 256]).ravel())
        known = {*range(classes), ignored}
        if stray := [value for value in present.tolist() if table[value] not in known]:
            raise unknown_values(path, label[np.isin(label, stray)], [value for value in range(256) if table[value] in known])
        self.checked += 1
        for value in present.tolist():
            kind = int(table[value])
            self._seen.add(kind)
            meaning = 'ignored' if kind == ignored else self._classes[kind]
            self._files.setdefault((value, getattr(dataset, 'label_name', str)(value), meaning), []).append(path)
        return True

    def _require_both(self) -> None:
        lacking = [name for kind, name in enumerate(self._classes) if kind not in self._seen]
        if not lacking:
            return
        found = ', '.join(
            f'{name} ({meaning}) in {len(files)} files such as {files[0]}'
            for (_, name, meaning), files in sorted(self._files.items())
        )
        values = {value for value, _, _ in self._files}
        background, foreground = self._classes
        pair = next((pair for pair in ((0, 255), (0, 1)) if values <= {*pair}), None) if values != {0} else None
        meaning = f'{{{pair[0]}: {background!r}, {pair[1]}: {foreground!r}}}' if pair else '{VALUE: NAME, ...}'
        raise InputError(
            f'the {self.name} set has no pixel of {" and none of ".join(lacking)}, so nothing can be learned or judged. Its '
            f"{self.checked} label maps hold {found}. Say what the values mean with type='BinarySegDataset', "
            f'values={meaning}, foreground={foreground!r}, or with foreground= and background= of BinaryMaskDataset, or give '
            'label maps that have both classes'
        )


def require_agreement(train: Any, val: Any) -> None:
    """Raise an error if the foreground of train's and of val's masks is not the same and nobody has said so.

    Raises:
        InputError: Two of the data sets have masks of another foreground, and one of them has been found out.
    """
    sets = [inner for dataset in (train, val) for inner in _inner_sets(dataset) if getattr(inner, 'meaning', None) is not None]
    found = {frozenset(map(as_colour, inner.meaning.foreground)): inner for inner in sets}
    if len(found) > 1 and not all(inner.given.foreground for inner in sets):
        one, other = list(found.values())[:2]
        raise InputError(
            f'{one.data_prefix["seg_map_path"]} and {other.data_prefix["seg_map_path"]} do not agree: the masks of the first '
            f'are {one.meaning.told()}, those of the second {other.meaning.told()}; make them alike, or give both foreground='
        )


def _inner_sets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets in wrappers such as ``ConcatDataset``."""
    if isinstance(dataset, BaseDataset) or not (hasattr(dataset, 'datasets') or hasattr(dataset, 'dataset')):
        yield dataset
        return
    for inner in getattr(dataset, 'datasets', None) or [dataset.dataset]:
        yield from _inner_sets(inner)


def _reader(dataset: Any) -> Read:
    """Return the function that reads a data set's label maps as its pipeline does."""
    dataset.full_init()
    transforms = dataset.pipeline.transforms
    load = _loader(transforms)
    if type(load) is LoadAnnotations:  # read as it does, but with the checks
        load = LoadBinaryAnnotations(imdecode_backend=load.imdecode_backend, backend_args=load.backend_args)

    def read(info: dict) -> tuple[np.ndarray, np.ndarray] | None:
        sample: Any = copy.copy(info)
        table = np.arange(256)
        if isinstance(load, LoadBinaryAnnotations):
            sample['gt_seg_map'] = load.values_of(sample)
            ours = sample.pop('label_table', None)
            table = _host_table(info) if ours is None else ours
        else:
            for transform in transforms if load is None else [load]:
                sample = transform(sample)
                if not isinstance(sample, dict) or 'gt_seg_map' in sample:
                    break
        if not isinstance(sample, dict) or 'gt_seg_map' not in sample:
            return None
        size = _size(info['img_path'])
        if size is not None and {*size} != {*sample['gt_seg_map'].shape[:2]}:  # EXIF data may turn a photograph
            sample['ori_shape'] = size
        map_labels(sample)
        return np.ascontiguousarray(sample['gt_seg_map']), table

    return read


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


def _size(path: str) -> tuple[int, int] | None:
    """Return (height, width) of an image file; ``None`` if only the loader can say."""
    if '://' in path:
        return None
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except FileNotFoundError:
        raise
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
