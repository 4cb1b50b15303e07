"""MMSegmentation's two loaders with checks: a wrong file is an error that names the file."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from mmseg_bisenet_lite.datasets.decoded_cache import DecodedCache
from mmseg_bisenet_lite.datasets.decoding import decode
from mmseg_bisenet_lite.datasets.mask_keys import UnknownValuesError, decode_colours, numbered
from mmseg_bisenet_lite.datasets.tiles import Tile
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.registry import class_of

UNKNOWN = 254  # in a label table: the value belongs to no class of the data set

COLOURS = 'colours'  # flag for pixels as decode_colours returns them

# Enough for the photographs and label maps of Cityscapes' train set.
CACHE_GIB = 24.0


class SizesDifferError(InputError):
    """A label map does not have the size of its photograph."""


class _PixelReader:
    """Read the pixels of a file or of a tile, for both loaders.

    Attributes:
        cache: Cache of decoded images; ``None`` decodes a file each time.
    """

    backend_args: dict | None
    file_client_args: dict | None
    imdecode_backend: str

    def __init__(self, cache_dir: str | None = None, cache_gib: float = CACHE_GIB, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cache = None if cache_dir is None else DecodedCache(cache_dir, cache_gib)

    def _pixels(self, path: str, flag: str, what: str) -> np.ndarray:
        tile = Tile.of(path)

        def decoded() -> np.ndarray:
            if self.file_client_args is None:
                data = fileio.get(tile.path, backend_args=self.backend_args)
            else:  # for old configs
                data = fileio.FileClient.infer_client(self.file_client_args, tile.path).get(tile.path)
            if flag == COLOURS:
                return decode_colours(data, tile.path)
            return decode(data, tile.path, flag, self.imdecode_backend, what)

        return tile.cut(
            decoded() if self.cache is None else self.cache.get(tile.path, f'{flag}, {self.imdecode_backend}, upright', decoded)
        )


@TRANSFORMS.register_module()
class LoadCheckedImage(_PixelReader, LoadImageFromFile):
    """``LoadImageFromFile``, but faster, and with an error that names a file that cannot be decoded.

    Args:
        cache_dir: Folder for decoded photographs, see :class:`DecodedCache`; ``None`` is no cache.
        cache_gib: Size limit of that folder, in GiB.
        **kwargs: Arguments of ``LoadImageFromFile``; an unknown one is a ``TypeError``.

    Raises:
        InputError: The file is truncated or not an image.
    """

    def transform(self, results: dict) -> dict | None:
        """Add ``img`` (H, W, 3), uint8 BGR, and its shapes (H, W)."""
        try:
            image = self._pixels(results['img_path'], self.color_type, 'image')
        except (InputError, OSError):
            if self.ignore_empty:
                return None
            raise
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results


@TRANSFORMS.register_module()
class LoadBinaryAnnotations(_PixelReader, LoadAnnotations):
    """``LoadAnnotations``, but faster: map all label values with one look-up table, and check the label map.

    ``results['label_table']``, see :func:`map_labels`, holds the class of each value. Without it the labels stay as they are.
    ``results['label_colours']``, if there, are the colours whose numbers are these values, see
    :func:`~mmseg_bisenet_lite.datasets.mask_keys.numbered`.
    MMSegmentation's ``label_map`` compares the whole label map once for each value instead.

    Args:
        cache_dir: Folder for decoded label maps, see :class:`DecodedCache`; ``None`` is no cache.
        cache_gib: Size limit of that folder, in GiB.
        **kwargs: Arguments of ``LoadAnnotations``; an unknown one is a ``TypeError``.

    Raises:
        InputError: The file is missing, truncated or not an image, does not have one channel of values up to 255, does not have
            the photograph's size, or holds an unknown value.
    """

    def _load_seg_map(self, results: dict) -> None:
        results['gt_seg_map'] = self.values_of(results)
        map_labels(results)
        results['seg_fields'].append('gt_seg_map')

    def values_of(self, results: dict) -> np.ndarray:
        """Return the values of ``results['seg_map_path']`` as they are in the file; of colours their numbers."""
        path = results.get('seg_map_path')
        if path is None:
            raise InputError(
                f"{results['img_path']}: has no label map; set data_prefix's seg_map_path, or remove LoadAnnotations from the "
                'pipeline'
            )
        if self.reduce_zero_label:
            raise InputError(
                'LoadAnnotations(reduce_zero_label=True): remove it; the two classes are 0 and 1, and neither is void'
            )
        table = results.get('label_table')
        if (colours := results.get('label_colours')) is not None:
            rest = table is not None and table[255] != UNKNOWN
            return numbered(self._pixels(path, COLOURS, 'label map'), colours, rest, Tile.of(path).path)
        label = self._pixels(path, 'unchanged', 'label map')
        return label.astype(np.uint8) * np.uint8(_white(table)) if label.dtype == bool else label


@TRANSFORMS.register_module()
class MapLabelsAfter(BaseTransform):
    """Run another transform, and map the label map that it loads, as ``LoadBinaryAnnotations`` does.

    With it a user's own loader works with our data sets, whatever its name and its base class are.

    Args:
        transform: The transform, or its config.

    Raises:
        InputError: The label map does not have one channel of whole numbers from 0 to 255, does not have the photograph's size,
            or holds an unknown value.
    """

    def __init__(self, transform: dict | Callable[[dict], dict | None]) -> None:
        self.inner = TRANSFORMS.build(transform) if isinstance(transform, dict) else transform

    def transform(self, results: dict) -> dict | None:
        """Return the results of the transform, with ``gt_seg_map`` mapped if it has been loaded."""
        table = results.get('label_table')
        if results.get('label_colours') is not None and table is not None:
            raise InputError(
                f'{self.inner!r}: masks in colours are read by LoadAnnotations only; put that into the pipeline, or give masks '
                'of values'
            )
        found = self.inner(results)
        if not isinstance(found, dict) or found.get('gt_seg_map') is None:
            return found
        if found.setdefault('label_table', table) is not None:  # a loader may return a dict of its own
            map_labels(found)
        return found

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.inner!r})'


def map_labels(results: dict) -> None:
    """Check ``results['gt_seg_map']``, and map it with ``results['label_table']``, which becomes ``None``: mapped already.

    ``label_table``, (256,) uint8, holds the class of each value: 0, 1, ``ignore_index`` or ``UNKNOWN``.

    Raises:
        InputError: The label map does not have one channel of whole numbers from 0 to 255, does not have the photograph's size,
            or holds an unknown value.
    """
    label = np.asarray(results['gt_seg_map'])
    if label.dtype != np.uint8 and label.dtype.kind in 'iu' and label.size and label.min() >= 0 and label.max() <= 255:
        label = label.astype(np.uint8)  # of 16 bits, as some tools write them, or of a user's loader
    path = Tile.of(results.get('seg_map_path') or results.get('img_path') or 'a label map').path
    if label.ndim != 2 or label.dtype != np.uint8:
        raise InputError(f'{path}: a label map must have 1 channel of uint8, not {_told_of(label)}')
    size = results.get('ori_shape', label.shape)
    sizes = (tuple(size), results['img'].shape[:2] if 'img' in results else None)
    if label.shape not in sizes:
        raise SizesDifferError(
            f'{path}: the label map is {label.shape[1]}x{label.shape[0]}, but its photograph '
            f'{results["img_path"]} is {size[1]}x{size[0]}; give both the same size'
        )
    table = results.get('label_table')
    if table is not None:
        results['label_table'] = None
        mapped = cv2.LUT(label, table)
        if (mapped == UNKNOWN).any():
            raise unknown_values(path, label[mapped == UNKNOWN], np.flatnonzero(table != UNKNOWN).tolist())
        label = mapped
    results['gt_seg_map'] = label


def _white(table: np.ndarray | None) -> int:
    """Return what white is in a label map of 1 bit a pixel: the value that the data set knows, or rather its foreground."""
    if table is None or table[255] == UNKNOWN:
        return 1
    return 255 if table[1] == UNKNOWN or table[255] == 1 != table[1] else 1


def unknown_values(path: str, pixels: np.ndarray, known: Sequence[int]) -> UnknownValuesError:
    """Return the error for a label map with values that its data set does not know.

    Args:
        path: Name of the file.
        pixels: The values of these pixels, of any shape.
        known: Values that the data set knows, ascending.
    """
    values = np.unique(pixels).tolist()
    shown = ', '.join(map(str, values[:_MOST_SHOWN]))
    more = len(values) - _MOST_SHOWN
    if more > 0:
        shown += f' and {more} more'
    if more > 0 or path.lower().endswith(('.jpg', '.jpeg')):
        advice = (
            'such values come from soft edges, from JPEG or from resizing with interpolation: save masks as PNG with hard edges'
        )
    else:
        advice = (
            'say what each value means with values={VALUE: NAME, ...} of BinarySegDataset (None: ignore), or with foreground=, '
            'background= and ignore= of BinaryMaskDataset, or mend the file'
        )
    return UnknownValuesError(
        f'{path}: no class of the data set has the label value {shown} (the data set knows {ranges(known)}), which '
        f'{pixels.size} pixels have; {advice}'
    )


def ranges(values: Sequence[int]) -> str:
    """Return ascending numbers as text, such as ``'0 to 11, 255'``."""
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][1] == value - 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ', '.join(str(a) if a == b else f'{a}, {b}' if b == a + 1 else f'{a} to {b}' for a, b in runs) or 'none'


def _told_of(label: np.ndarray) -> str:
    """Return what is wrong with the pixels of a label map, with some of its values, and what to do."""
    channels = 1 if label.ndim == 2 else label.shape[-1]
    kind = {2: 'grey with alpha', 3: 'colour', 4: 'colour with alpha'}.get(channels, 'one channel')
    values = np.unique(label.reshape(-1, channels), axis=0)
    shown = ', '.join(
        str(value[0]) if channels == 1 else f'({", ".join(map(str, _rgb(value)))})' for value in values[:4].tolist()
    )
    more = f' and {len(values) - 4} more' if len(values) > 4 else ''
    return (
        f'{channels} of {label.dtype} ({kind}; its values are {shown}{more}); save it as a grey 8-bit PNG, one value for each '
        'class'
    )


def _rgb(value: list[int]) -> list[int]:
    return [*value[2::-1], *value[3:]] if len(value) > 2 else value


def with_checked_loaders(pipeline: object, options: dict[str, Any]) -> object:
    """Return a pipeline's config in which every label map is mapped, also in the branches of ``TestTimeAug`` and similar ones.

    MMSegmentation's two loaders are replaced by ours. A transform of a user may be a loader too, and is wrapped in
    :class:`MapLabelsAfter`. So every pipeline works with our data sets, however it names its transforms, and MMSegmentation's
    inference API finds the loaders under the names that it looks for.

    Args:
        pipeline: Config of a pipeline, as in MMSegmentation.
        options: Further arguments for the loaders.
    """
    if isinstance(pipeline, list | tuple):
        return [with_checked_loaders(step, options) for step in pipeline]
    if not isinstance(pipeline, dict):  # a transform that is built already, or a function
        return pipeline if not callable(pipeline) or _maps_no_labels(type(pipeline)) else MapLabelsAfter(pipeline)
    step = {key: with_checked_loaders(value, options) if key == 'transforms' else value for key, value in pipeline.items()}
    kind = class_of(TRANSFORMS, step.get('type'))
    if kind in _CHECKED:
        return {**options, **step, 'type': _CHECKED[kind].__name__, '_scope_': 'mmseg'}
    if _maps_no_labels(kind):
        return step
    return {'type': MapLabelsAfter.__name__, '_scope_': 'mmseg', 'transform': step}


def _maps_no_labels(kind: Any) -> bool:
    """Whether a transform is known to load no label map, or to map it itself."""
    if kind is None:
        return False
    package = kind.__module__.partition('.')[0]
    stock = package in ('mmcv', 'mmseg') and not kind.__name__.startswith('Load')
    return stock or package == __name__.partition('.')[0] or issubclass(kind, LoadBinaryAnnotations | MapLabelsAfter)


_CHECKED: dict[Any, type] = {
    LoadImageFromFile: LoadCheckedImage,
    LoadAnnotations: LoadBinaryAnnotations,
    LoadAnnotations.__base__: LoadBinaryAnnotations,  # MMCV's
}
_MOST_SHOWN = 8
