"""MMSegmentation's two loaders, checked: what cannot be right stops with the file's name."""

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

UNKNOWN = 254  # in a label table: no class of the data set has this value

# Enough for the photographs and label maps of Cityscapes' train set.
CACHE_GIB = 24.0


class _PixelReader:
    """How both loaders come to the pixels of a file, or of a tile of it.

    Attributes:
        cache: Where decoded images are kept; ``None`` decodes each anew.
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
            else:  # as old configs have it
                data = fileio.FileClient.infer_client(self.file_client_args, tile.path).get(tile.path)
            try:
                pixels = decode(data, flag, self.imdecode_backend)
                if pixels is None:
                    raise OSError('it cannot be decoded')
            except (cv2.error, OSError, SyntaxError) as error:  # OpenCV's and Pillow's errors for files that are cut or broken
                raise InputError(f'{tile.path}: not a readable {what}, or a truncated one ({error})') from error
            return pixels

        return tile.cut(
            decoded() if self.cache is None else self.cache.get(tile.path, f'{flag}, {self.imdecode_backend}', decoded)
        )


@TRANSFORMS.register_module()
class LoadCheckedImage(_PixelReader, LoadImageFromFile):
    """``LoadImageFromFile``, faster, that names the file it cannot decode.

    Args:
        cache_dir: Folder for decoded photographs, see :class:`DecodedCache`; ``None`` is none.
        cache_gib: How large it may become.
        **kwargs: ``LoadImageFromFile``'s arguments; an unknown one is an error there.

    Raises:
        InputError: The file is truncated or no image.
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
    """``LoadAnnotations``, faster, that maps every label value in one look-up and checks what it reads.

    ``results['label_table']``, (256,) uint8, holds the class of each value: 0, 1, the ignored one, or ``UNKNOWN``. Without it
    the values stay as they are. MMSegmentation's own ``label_map`` compares the whole map once for each value.

    Args:
        cache_dir: Folder for decoded label maps, see :class:`DecodedCache`; ``None`` is none.
        cache_gib: How large it may become.
        **kwargs: ``LoadAnnotations``'s arguments; an unknown one is an error there.

    Raises:
        InputError: The file is truncated or no image, does not have one channel of 8 bits or the photograph's size, or holds
            an unknown value.
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
    """A pipeline's config with both stock loaders replaced, in the branches of ``TestTimeAug`` and the like too.

    So every pipeline of MMSegmentation works with our data sets, and its inference API finds the names that it looks for.

    Args:
        pipeline: As in MMSegmentation.
        options: More arguments for the loaders.
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
