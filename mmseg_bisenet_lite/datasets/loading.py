"""MMSegmentation's two loaders, checked: what cannot be right stops with the file's name."""

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from mmseg_bisenet_lite.errors import InputError

UNKNOWN = 254  # in a label table: no class of the data set has this value


@TRANSFORMS.register_module()
class LoadCheckedImage(LoadImageFromFile):
    """``LoadImageFromFile`` that names the file it cannot decode.

    Raises:
        InputError: The file is truncated or no image.
    """

    def transform(self, results: dict) -> dict | None:
        """Add ``img`` (H, W, 3), uint8 BGR, and its shapes (H, W)."""
        try:
            return super().transform(results)
        except FileNotFoundError:
            raise
        except (AssertionError, cv2.error, OSError, SyntaxError) as error:  # MMCV's, OpenCV's and Pillow's, for what is broken
            raise InputError(f'{results["img_path"]}: not a readable image, or a truncated one') from error


@TRANSFORMS.register_module()
class LoadBinaryAnnotations(LoadAnnotations):
    """``LoadAnnotations`` that maps every label value in one look-up and checks what it reads.

    ``results['label_table']``, (256,) uint8, holds the class of each value: 0, 1, the ignored one, or ``UNKNOWN``. Without it
    the values stay as they are. MMSegmentation's own ``label_map`` compares the whole map once for each value.

    Raises:
        InputError: The file is truncated or no image, does not have one channel of 8 bits or the photograph's size, or holds
            an unknown value.
    """

    def _load_seg_map(self, results: dict) -> None:
        path = results.get('seg_map_path')
        if path is None:
            raise InputError(
                f"{results['img_path']}: no label map belongs to it; set data_prefix's seg_map_path, or drop LoadAnnotations"
            )
        if self.reduce_zero_label:
            raise InputError('LoadAnnotations(reduce_zero_label=True): the two classes are 0 and 1, and neither is void')
        data = fileio.get(path, backend_args=self.backend_args)
        try:
            label = mmcv.imfrombytes(data, flag='unchanged', backend=self.imdecode_backend)
            if label is None:
                raise OSError('it does not decode')
        except (cv2.error, OSError, SyntaxError) as error:  # OpenCV's and Pillow's errors for files that are cut or broken
            raise InputError(f'{path}: not a readable label map, or a truncated one ({error})') from error
        if label.ndim != 2 or label.dtype != np.uint8:
            channels = 1 if label.ndim == 2 else label.shape[-1]
            raise InputError(f'{path}: a label map has one channel of uint8, not {channels} of {label.dtype}')
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


def with_checked_loaders(pipeline: object) -> object:
    """A pipeline's config with both stock loaders replaced, in the branches of ``TestTimeAug`` and the like too.

    So every pipeline of MMSegmentation works with our data sets, and its inference API finds the names that it looks for.
    """
    if isinstance(pipeline, list | tuple):
        return [with_checked_loaders(step) for step in pipeline]
    if isinstance(pipeline, dict):
        name = pipeline.get('type')
        name = name if isinstance(name, str) else getattr(name, '__name__', '')
        step = {key: with_checked_loaders(value) if key == 'transforms' else value for key, value in pipeline.items()}
        checked = _CHECKED.get(name.removeprefix('mmseg.').removeprefix('mmcv.'))
        return {**step, 'type': checked, '_scope_': 'mmseg'} if checked else step
    return pipeline
