"""Encoder: one video file that is being written."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_bisenet_lite.deploy.fit import Letterbox
from mmseg_bisenet_lite.deploy.predict.frames import Frame
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import CannotEncodeError
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.sizes import size_text

RATE = 25.0  # frames a second of a video whose source states none
_MOST_TICKS = 65535  # a second, of the clock of MPEG-4 Part 2; OpenCV counts a rate in tenths, hundredths or thousandths
_LEAST_SIDE = 4  # in pixels; OpenCV writes smaller WebM files that nothing can read
_LONGEST_GAP = 60  # seconds; for a longer one the video would stand still


class Encoder:
    """A video file that is being written, under a temporary name.

    Args:
        file: The file.
        codec: The codec's four letters.
        first: The first frame, whose size and source's rate the video has.

    Raises:
        CannotEncodeError: OpenCV cannot encode such a video.
    """

    def __init__(self, file: Path, codec: str, first: Frame) -> None:
        cv2 = require('cv2', 'opencv-python-headless')
        self._file = file
        self._part = file.with_name(f'.{file.stem}.part{file.suffix}')
        self._first = first
        self._size = first.pixels.shape[1], first.pixels.shape[0]
        self._written = 0
        self._skipped = 0  # frames of gaps that were too long to show
        self._before = first.pixels
        self._rate = _encodable(first.source.rate or RATE)
        if not first.source.rate:
            warnings.warn(
                f'{first.source.label}: its frame rate is unknown; {file.name} has {RATE:g} frames a second', stacklevel=2
            )
        path = str(self._part.absolute())  # FFmpeg takes what is before a colon for a protocol, if no / is before it
        with as_input_error(f'{file}: cannot be encoded', cv2.error, UnicodeEncodeError, raised=CannotEncodeError):
            fourcc = cv2.VideoWriter_fourcc(*codec)
            self._writer: Any = cv2.VideoWriter(path, cv2.CAP_FFMPEG, fourcc, self._rate, self._size)
        if not self._writer.isOpened() or min(self._size) < _LEAST_SIDE:
            self.drop()
            video = f'{size_text(self._size)} pixels at {self._rate:g} frames a second'
            raise CannotEncodeError(f'{file}: OpenCV cannot encode a video of {video} as {codec}')

    def write(self, painted: np.ndarray, frame: Frame) -> None:
        """Write a frame where it belongs in time: in place of missing ones the one before is shown longer."""
        size = painted.shape[1], painted.shape[0]
        if size != self._size:  # a video has one size
            painted = Letterbox(size, self._size).put(painted)
        missing = self._missing(frame)
        if missing < -1:  # a live source that is faster than its rate; by one frame it may be too early
            return
        longest = round(_LONGEST_GAP * self._rate)
        for _ in range(min(missing, longest)):
            self._put(self._before)
        self._skipped += max(0, missing - longest)
        self._put(painted)
        self._before = painted

    def finish(self) -> None:
        """Give the video its name."""
        self._writer.release()
        try:
            self._check()
            self._part.replace(self._file)
        finally:
            self.drop()

    def drop(self) -> None:
        """Remove what is not finished."""
        self._writer.release()
        self._part.unlink(missing_ok=True)

    def _missing(self, frame: Frame) -> int:
        if frame.source.live:
            place = round((frame.captured - self._first.captured) * self._rate)
        else:
            place = frame.number - self._first.number
        return place - self._skipped - self._written

    def _put(self, painted: np.ndarray) -> None:
        self._writer.write(painted)
        self._written += 1

    def _check(self) -> None:
        """Raise an error if frames are missing in the file, since OpenCV does not tell that writing failed."""
        cv2 = require('cv2', 'opencv-python-headless')
        video = cv2.VideoCapture(str(self._part.absolute()), cv2.CAP_FFMPEG)
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
        video.release()
        if abs(count - self._written) > 1:  # WebM states only the duration
            raise InputError(f'{self._file}: only {count} of {self._written} frames were written; is the disk full?')


def _encodable(rate: float) -> float:
    """Return a rate with as many decimals as MPEG-4 can count, at most three."""
    return round(rate, min(3, max(0, math.floor(math.log10(_MOST_TICKS / rate)))))
