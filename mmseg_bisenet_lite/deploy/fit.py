"""Letterbox: a frame of any size in the size of a file, with its proportions."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmseg_bisenet_lite.utils.errors import as_input_error
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.sizes import size_text

Size = tuple[int, int]  # (width, height) in pixels

IGNORED = 255  # label of the pixels around a letterboxed label


@dataclass(frozen=True)
class Letterbox:
    """Where a frame lies in a file's size: in the middle, as large as it fits without distortion.

    What remains around it shows the whole frame, stretched and blurred beyond recognition. Around a bar of one colour the
    networks see objects that are not there; ``deploy/README.md`` has the figures.

    Attributes:
        frame: (width, height) of the frame.
        size: (width, height) of the file.
    """

    frame: Size
    size: Size

    @property
    def inner(self) -> Size:
        """(width, height) of the frame inside the file's size."""
        scale = min(self.size[0] / self.frame[0], self.size[1] / self.frame[1])
        return max(1, round(self.frame[0] * scale)), max(1, round(self.frame[1] * scale))

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of the frame inside the file's size."""
        left, top = ((outer - inner) // 2 for outer, inner in zip(self.size, self.inner, strict=True))
        return slice(top, top + self.inner[1]), slice(left, left + self.inner[0])

    def put(self, frame: np.ndarray) -> np.ndarray:
        """Scale a frame, ``(height, width, 3)`` uint8, into the file's size; a frame of the same shape is only resized.

        Raises:
            InputError: OpenCV cannot resize the frame.
        """
        inside = _resized(frame, self.inner)
        if self.inner == self.size:
            return inside
        around = _resized(_resized(frame, _BACKDROP), self.size)
        around[self.region] = inside
        return around

    def put_label(self, label: np.ndarray) -> np.ndarray:
        """Scale a frame's label, ``(height, width)`` uint8, in the same way, without new values; 255, ignored, is around it."""
        around = np.full(self.size[::-1], IGNORED, np.uint8)
        around[self.region] = _resized(label, self.inner, exact=True)
        return around

    def cut(self, output: np.ndarray) -> np.ndarray:
        """Return the part of a mask or a margin that belongs to the frame, in the frame's size.

        Args:
            output: ``(height, width)`` of the file; a uint8 mask keeps its values, a float32 margin is interpolated.
        """
        return _resized(np.ascontiguousarray(output[self.region]), self.frame, exact=output.dtype == np.uint8)

    def __str__(self) -> str:
        frame, size, inner = (size_text(each) for each in (self.frame, self.size, self.inner))
        return f'a frame of {frame} lies letterboxed, as {inner}, in the file for {size}: its proportions are kept'


# (width, height) of the frame behind the frame, before it is enlarged to the file's size.
_BACKDROP = (32, 18)


def _resized(array: np.ndarray, size: Size, exact: bool = False) -> np.ndarray:
    """Resize an array without new values (nearest), or smoothly: average to shrink, bilinear to enlarge."""
    cv2: Any = require('cv2', 'opencv-python-headless')
    here = array.shape[1], array.shape[0]
    if here == size:
        return array
    smooth = cv2.INTER_AREA if size[0] <= here[0] and size[1] <= here[1] else cv2.INTER_LINEAR
    with as_input_error(f'a frame of {size_text(here)} cannot be resized to {size_text(size)}', cv2.error):
        resized: np.ndarray = cv2.resize(array, size, interpolation=cv2.INTER_NEAREST_EXACT if exact else smooth)
    return resized
