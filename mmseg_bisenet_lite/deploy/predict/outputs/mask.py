"""Masks: lossless PNG of 8-bit grey."""

from typing import ClassVar

import numpy as np

from mmseg_bisenet_lite.deploy.predict.frames import Result
from mmseg_bisenet_lite.deploy.predict.outputs.writer import MaskValues, Picture, Setting
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import PNG_FLAT

# Values of background, foreground and undecided pixels. Where 255 is the foreground, the middle is undecided.
_VALUES: dict[MaskValues, tuple[int, int, int]] = {'0/1': (0, 1, 255), '0/255': (0, 255, 128)}


class Mask(Picture):
    """Writes masks.

    Raises:
        InputError: ``mask_values`` is neither ``'0/1'`` nor ``'0/255'``.
    """

    kind: ClassVar[str] = 'mask'
    options = PNG_FLAT

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        if setting.mask_values not in _VALUES:
            raise InputError(f'mask values {setting.mask_values}: give {" or ".join(_VALUES)}')
        background, foreground, undecided = _VALUES[setting.mask_values]
        self._table = np.full(256, undecided, np.uint8)
        self._table[:2] = background, foreground

    def picture(self, result: Result) -> np.ndarray:
        """Return the mask with the values that were asked for."""
        return self._table[result.mask]
