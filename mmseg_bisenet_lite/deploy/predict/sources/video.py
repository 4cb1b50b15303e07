"""Video: a video, a stream or a camera, read by OpenCV."""

import os
import re
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import urlsplit

from mmseg_bisenet_lite.deploy.predict.capture import next_frame, open_capture
from mmseg_bisenet_lite.deploy.predict.frames import Frame
from mmseg_bisenet_lite.deploy.predict.sources.containers import is_cut
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.library import require

# Suffixes by which a video is known in a folder; a file that is named itself may have any.
VIDEOS = ('.3gp', '.asf', '.avi', '.m2ts', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.mts', '.webm', '.wmv')
# Containers that list their frames; for others FFmpeg estimates the number from the duration.
_LISTED = ('.3gp', '.avi', '.m4v', '.mov', '.mp4')
MOST_FAILURES = 10_000  # frames in a row that cannot be read: then the file has ended, however many it states
_MOST_FRAMES = 2**31
_MOST_RATE = 1000.0  # frames a second; of a stream FFmpeg may state 90000, which is its clock


class Video:
    """A video, a stream or a camera; a :class:`~mmseg_bisenet_lite.deploy.predict.frames.Source`.

    Frames are upright by the rotation that the file states: OpenCV's default with FFmpeg, from 4.8 to 5.

    Args:
        text: Path, URL, pipeline of GStreamer, or number of a camera.
        name: Folder of its frames' names; by default made from ``text``.
        files: The file, if it is one.
    """

    moving = True

    def __init__(self, text: str, name: str | None = None, files: Sequence[Path] = ()) -> None:
        self.files = files
        self.label = _without_passwords(text)
        self.folder = name or _name_of(self.label)
        self.live = any(map(_waits_for_nobody, files)) if files else not _is_file_elsewhere(text)
        self._text = text
        # FFmpeg takes what is before a colon for a protocol if no / is before it, and OpenCV a number for a camera.
        self._opened = os.path.abspath(files[0]) if files else text  # noqa: PTH100  resolve() would follow links

    @property
    def rate(self) -> float | None:
        """Frames a second, if the file states them."""
        return self._stated[0]

    @property
    def count(self) -> int | None:
        """Number of frames that the file states."""
        return self._stated[1] or None

    @cached_property
    def _stated(self) -> tuple[float | None, int]:
        """Frames a second and number of frames, 0 if unknown."""
        if self.live:  # a camera cannot be opened twice
            return None, 0
        try:
            capture = self.open()
        except InputError:  # it is told when the frames are read
            return None, 0
        try:
            return _stated_by(capture)
        finally:
            capture.release()

    def name(self, number: int) -> str:
        """Return the name of the outputs of a frame."""
        return f'{self.folder}/{number:06d}'

    def open(self) -> Any:
        """Return the ``cv2.VideoCapture``, opened.

        Raises:
            InputError: OpenCV cannot open it.
        """
        if self.files and not self.files[0].exists():
            raise InputError(f'{self.label}: there is no such video')
        cv2 = require('cv2', 'opencv-python-headless')
        with as_input_error(f'{self.label}: OpenCV cannot open it', cv2.error):
            capture = open_capture(self._opened)
            if not capture.isOpened():
                capture.release()
                raise InputError(f'{self.label}: {self._why_not()}')
        return capture

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; a damaged one is left out with its number.

        Raises:
            InputError: The source cannot be opened; or, after its last frame, frames are missing. Where that is not certain, as
                the number that a file states may be an estimate or count frames that were trimmed, it is a warning.
        """
        return cast('Iterator[Frame]', self.skim(lambda: True))

    def skim(self, wanted: Callable[[], bool]) -> Generator[Frame | None, None, None]:
        """Yield the frames, and ``None`` in place of one that is not wanted when it comes; that saves its conversion.

        Raises:
            InputError: As for iterating.
        """
        capture = self.open()
        try:
            rate, stated = _stated_by(capture)
            self.__dict__['_stated'] = rate, stated  # what a live source states is known only now
            number, done, damaged, failures = 0, 0, 0, 0
            while failures < MOST_FAILURES:
                if taken := next_frame(capture, wanted):
                    captured, pixels = taken
                    yield None if pixels is None else Frame(pixels, self, self.name(number), number, captured)
                    done, damaged, failures = done + 1, damaged + failures, 0
                elif self.live or number >= stated:  # a live source that broke is opened again
                    break
                else:
                    failures += 1  # the frame is damaged, and the next may be whole; or the file has fewer than it states
                number += 1
            self._check_end(done, damaged, stated)
        finally:
            capture.release()

    def _check_end(self, done: int, damaged: int, stated: int) -> None:
        """Raise an error unless the video was read to its end."""
        gone = not any(file.is_file() for file in self.files)
        if gone and done and (not stated or (self.live and done + 1 < stated)):  # a stream may state a length
            raise InputError(f'{self.label}: no more frames came after {done}; to end earlier by intention, give --limit')
        tolerance = 0 if Path(self._text).suffix.lower() in _LISTED else 1
        if damaged or done + tolerance < stated:
            found = f'{self.label}: only {done} of {max(stated, done + damaged)} frames could be read'
            with as_input_error(f'{self.label}: cannot be read', OSError):
                certain = damaged or not done or not self.files or any(map(is_cut, self.files))
            if certain:
                raise InputError(f'{found}; it is cut off or damaged, or the stream broke')
            doubt = 'some are damaged, unless the video was trimmed, converted or recorded at a variable rate'
            warnings.warn(f'{found}: {doubt}', stacklevel=3)
        if done == 0:
            raise InputError(f'{self.label}: no frame could be read')

    def _why_not(self) -> str:
        """Return why OpenCV may not have opened it, as it does not tell."""
        cv2 = require('cv2', 'opencv-python-headless')
        if self._opened.isdecimal():
            return 'there is no camera of this number, another program uses it, or you may not read it'
        if ' ! ' in self._text and not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            return 'pipelines need an OpenCV that was built with GStreamer, which those of PyPI are not'
        if '://' in self._text:
            return 'OpenCV cannot open it; check address, user and password, and whether it can be reached from here'
        return 'OpenCV cannot open it as a video, a stream or a camera'


def _without_passwords(text: str) -> str:
    """Return an address as it may be shown: without user and password, also where cameras take them in path or query."""
    if '://' not in text:
        return text
    text = re.sub(r'(?<=://)([^/?#]*|[^/@:]+:(?!\d*(/|$))[^@]*)@', '', text)
    return re.sub(r'(?i)(?<![a-z])(pass\w*?|pwd|pw|token|secret|\w*?key)=.*?(?=[&/?#\s]|_[a-z]+=|$)', r'\1=***', text)


def _stated_by(capture: Any) -> tuple[float | None, int]:
    cv2 = require('cv2', 'opencv-python-headless')
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    count = max(0, int(min(capture.get(cv2.CAP_PROP_FRAME_COUNT), _MOST_FRAMES)))  # 0 or less: unknown, or endless
    return rate if 0 < rate <= _MOST_RATE else None, count


def _waits_for_nobody(file: Path) -> bool:
    """Whether a path is a pipe or a device, as of a camera; a missing file is not."""
    return file.exists() and not file.is_file() and not file.is_dir()


def _is_file_elsewhere(text: str) -> bool:
    """Whether a URL names a file, which waits for its reader, not a camera or a stream."""
    url = urlsplit(text)
    return url.scheme == 'file' or (url.scheme != '' and PurePosixPath(url.path).suffix.lower() in VIDEOS)


def _name_of(text: str) -> str:
    """Return a name for the outputs of a camera, a stream or a device."""
    if text.isdecimal():
        return f'camera-{int(text)}'
    url = urlsplit(text)
    path = PurePosixPath(url.path)
    if url.scheme in ('', 'file'):
        plain = path.stem if path.suffix.lower() in VIDEOS else path.name
    else:
        plain = f'{url.hostname or ""}{path}'
    return re.sub(r'[^\w.-]+', '-', plain).strip('-.')[:100] or 'stream'
