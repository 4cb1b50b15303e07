"""Maps of numbers: margins and probabilities, as PNG of 16-bit grey with the scale in its metadata."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from mmseg_bisenet_lite.deploy.predict.frames import Result
from mmseg_bisenet_lite.deploy.predict.outputs.writer import Picture
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import PNG_QUICK
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.png_texts import texts_of

_SCALE, _OFFSET = 'scale', 'offset'  # keys of the texts
_HIGHEST = 65535

MARGIN_SCALE = 1 / 512  # margins from -64 to 64; those of the package's networks lie between -30 and 15
MARGIN_OFFSET = 32767.5  # half a step lies on each side of 0, so the sign of a margin is never rounded away
CONFIDENCE_SCALE = 1 / _HIGHEST


class Margin(Picture):
    """Writes margins; they are wrong by at most half of ``MARGIN_SCALE``, on the right side of 0, and end at -64 and 64."""

    kind: ClassVar[str] = 'margin'
    options = PNG_QUICK
    texts: ClassVar[Mapping[str, str]] = {_SCALE: repr(MARGIN_SCALE), _OFFSET: repr(MARGIN_OFFSET)}

    def picture(self, result: Result) -> np.ndarray:
        """Return the margins, rounded up to a whole number of steps: what is above 0 gets a value above the offset."""
        steps = np.ceil(_given(result.margin) * np.float32(1 / MARGIN_SCALE)) + np.float32(MARGIN_OFFSET - 0.5)
        return np.clip(steps, 0, _HIGHEST).astype(np.uint16)


class Confidence(Picture):
    """Writes probabilities of the foreground; they are wrong by at most half of ``CONFIDENCE_SCALE``."""

    kind: ClassVar[str] = 'confidence'
    options = PNG_QUICK
    texts: ClassVar[Mapping[str, str]] = {_SCALE: repr(CONFIDENCE_SCALE), _OFFSET: '0'}

    def picture(self, result: Result) -> np.ndarray:
        """Return the probabilities, rounded."""
        return np.rint(_given(result.probability) * np.float32(_HIGHEST)).astype(np.uint16)


def read_map(file: str | Path) -> np.ndarray:
    """Read the margins or the probabilities that :class:`Margin` or :class:`Confidence` wrote.

    Returns:
        (height, width), float32: ``(value - offset) * scale`` of each value in the PNG.

    Raises:
        InputError: The file cannot be read, or its metadata have no scale and offset.
    """
    cv2 = require('cv2', 'opencv-python-headless')
    with as_input_error(f'{file}: cannot be read', OSError):
        data = Path(file).read_bytes()
    texts = texts_of(data)
    with as_input_error(f'{file}: not a PNG with margins or probabilities: its metadata have no scale and offset', KeyError):
        scale, offset = texts[_SCALE], texts[_OFFSET]
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 2:
        raise InputError(f'{file}: not a PNG of 16-bit grey, or a damaged one')
    with as_input_error(f'{file}: its scale or offset is no number', ValueError):
        return (values.astype(np.float32) - np.float32(offset)) * np.float32(scale)


def _given(field: np.ndarray | None) -> np.ndarray:
    if field is None:
        raise TypeError('a result to be written has no margin or no probability')
    return field
