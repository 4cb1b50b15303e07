"""WebVideo: a video that browsers play."""

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require

LONGEST_SIDE = 960  # pixels; encoding a larger video takes longer than segmenting it
SHORTEST_SIDE = 16  # OpenCV writes files of 2 x 2 pixels that it cannot read
USUAL_RATE = 25.0


class WebVideo:
    """A WebM file with VP8: OpenCV's wheels contain no encoder of H.264 or AV1, and theirs of VP9 is six times as slow.

    Frames of more than ``LONGEST_SIDE`` pixels are scaled down.

    Args:
        file: The file to write, ``.webm``.
        rate: Frames a second.

    Raises:
        InputError: OpenCV cannot write it.
    """

    def __init__(self, file: Path, rate: float) -> None:
        self.file = file
        self._rate = rate
        self._writer: Any = None
        self._size = (0, 0)

    def write(self, picture: np.ndarray) -> None:
        """Append a picture, (height, width, 3), uint8, BGR."""
        cv2 = require('cv2', 'opencv-python-headless')
        if self._writer is None:
            self._size = size_in_browser((picture.shape[1], picture.shape[0]))
            codec = cv2.VideoWriter_fourcc(*'VP80')
            self._writer = cv2.VideoWriter(str(self.file), cv2.CAP_FFMPEG, codec, self._rate, self._size)
            if not self._writer.isOpened():
                raise InputError(f'{self.file.name}: this OpenCV cannot write WebM; run pip install opencv-python-headless')
        if picture.shape[1::-1] != self._size:
            picture = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(picture)

    def __enter__(self) -> 'WebVideo':
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.release()


def size_in_browser(size: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) in which a video is shown: even, as the codec needs, and neither tiny nor huge."""
    scale = min(1.0, LONGEST_SIDE / max(size))
    width, height = (max(SHORTEST_SIDE, int(side * scale) // 2 * 2) for side in size)
    return width, height
