"""MMSegmentation's two loaders with checks: a wrong file is an error that names the file."""

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from mmseg_bisenet_lite.datasets.decoded_cache import DecodedCache
from mmseg_bisenet_lite.datasets.decoding import decode
from mmseg_bisenet_lite.datasets.tiles import Tile
from mmseg_bisenet_lite.utils.errors import InputError

UNKNOWN = 254  # in a label table: the value belongs to no class of the data set

# Enough for the photographs and label maps of Cityscapes' train set.
CACHE_GIB = 24.0


class _PixelReader:
    """Read the pixels of a file or of a tile, for both loaders.

    Attributes:
        cache: Cache of decoded images; ``None`` decodes a file each time.
    """

    backend_args: dict | None
    file_client_args: dict | None
    imdecode_backend: str
    cache: DecodedCache | None = None

    def _pixels(self, path: str, flag: str, what: str) -> np.ndarray:
        tile = Tile.of(path)

        def decoded() -> np.ndarray:
            if self.file_client_args is None:
                data = fileio.get(tile.path, backend_args=self.backend_args)
            else:  # for old configs
                data = fileio.FileClient.infer_client(self.file_client_args, tile.path).get(tile.path)
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

    def __init__(self, cache_dir: str | None = None, cache_gib: float = CACHE_GIB, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cache = None if cache_dir is None else DecodedCache(cache_dir, cache_gib)

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

    ``results['label_table']``, (256,) uint8, holds the class of each value: 0, 1, ``ignore_index`` or ``UNKNOWN``. Without the
    table, the values stay as they are. MMSegmentation's ``label_map`` compares the whole label map once for each value instead.

    Args:
        cache_dir: Folder for decoded label maps, see :class:`DecodedCache`; ``None`` is no cache.
        cache_gib: Size limit of that folder, in GiB.
        **kwargs: Arguments of ``LoadAnnotations``; an unknown one is a ``TypeError``.

    Raises:
        InputError: The file is truncated or not an image, does not have one 8-bit channel, does not have the photograph's size,
            or holds an unknown value.
    """

    def __init__(self, cache_dir: str | None = None, cache_gib: float = CACHE_GIB, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cache = None if cache_dir is None else DecodedCache(cache_dir, cache_gib)

    def _load_seg_map(self, results: dict) -> None:
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
        label = self._pixels(path, 'unchanged', 'label map')
        path = Tile.of(path).path
        if label.ndim != 2 or label.dtype != np.uint8:
            channels = 1 if label.ndim == 2 else label.shape[-1]
            raise InputError(f'{path}: a label map must have 1 channel of uint8, not {channels} of {label.dtype}')
        size = results.get('ori_shape', label.shape)
        if label.shape != tuple(size):
            raise InputError(
                f'{path}: the label map is {label.shape[1]}x{label.shape[0]}, but its photograph '
                f'{results["img_path"]} is {size[1]}x{size[0]}'
            )
        if results.get('label_table') is not None:
            mapped = cv2.LUT(label, results['label_table'])
            if (mapped == UNKNOWN).any():
                values = np.unique(label[mapped == UNKNOWN]).tolist()
                raise InputError(f'{path}: no class of the data set has the label value {", ".join(map(str, values))}')
            label = mapped
        results['gt_seg_map'] = label
        results['seg_fields'].append('gt_seg_map')


_CHECKED = {'LoadImageFromFile': 'LoadCheckedImage', 'LoadAnnotations': 'LoadBinaryAnnotations'}


def with_checked_loaders(pipeline: object, options: dict[str, Any]) -> object:
    """Return a pipeline's config with both loaders replaced, also in the branches of ``TestTimeAug`` and similar transforms.

    With this, every pipeline of MMSegmentation works with our data sets, and MMSegmentation's inference API finds the loaders
    under the names that it looks for.

    Args:
        pipeline: Config of a pipeline, as in MMSegmentation.
        options: Further arguments for the loaders.
    """
    if isinstance(pipeline, list | tuple):
        return [with_checked_loaders(step, options) for step in pipeline]
    if isinstance(pipeline, dict):
        name = pipeline.get('type')
        name = name if isinstance(name, str) else getattr(name, '__name__', '')
        step = {key: with_checked_loaders(value, options) if key == 'transforms' else value for key, value in pipeline.items()}
        checked = _CHECKED.get(name.removeprefix('mmseg.').removeprefix('mmcv.'))
        return {**options, **step, 'type': checked, '_scope_': 'mmseg'} if checked else step
    return pipeline
