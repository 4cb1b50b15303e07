"""Frames to segment: from images, videos, streams and cameras."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.deploy.video_containers import is_cut
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import images_in, is_picture, output_name, read_image
from mmseg_bisenet_lite.utils.library import require

# Containers that list their frames; for others FFmpeg estimates the number from the duration.
_LISTED = ('.3gp', '.avi', '.m4v', '.mov', '.mp4')
MOST_FAILURES = 10_000  # frames in a row that cannot be read: then the file has ended, however many it states
_NUMBERED = re.compile(r'(?P<before>[^%]*)%(?:0(?P<digits>\d+))?d(?P<after>[^%]*)')


@dataclass(frozen=True)
class Images:
    """Image files, each under its own name.

    Attributes:
        files: The files, which no output may replace.
        left_out: Entries of their folder that are not images.
    """

    files: Sequence[Path]
    left_out: Sequence[Path] = ()

    def __iter__(self) -> Iterator[tuple[str, np.ndarray | InputError]]:
        """Yield output names and frames, (height, width, 3), uint8, BGR; an error in place of a file that cannot be read."""
        for file in self.files:
            try:
                yield output_name(file), read_image(file)
            except InputError as error:
                yield output_name(file), error


@dataclass(frozen=True)
class Video:
    """A video, a stream or a camera, read by OpenCV.

    Attributes:
        source: Path, URL, pipeline of GStreamer, or number of a camera.
        files: The file, if it is one.
    """

    source: str
    files: Sequence[Path] = ()

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield output names, ``000000.png`` and so on, and frames, (height, width, 3), uint8, BGR.

        A damaged frame is left out with its number.

        Raises:
            InputError: The source cannot be opened; or, after its last frame, frames are missing. Where that is not certain, as
                the number that a file states may be an estimate or count frames that were trimmed, it is a warning.
        """
        cv2 = require('cv2', 'opencv-python-headless')
        with as_input_error(f'{self.source}: OpenCV cannot open it', cv2.error):
            video = cv2.VideoCapture(int(self.source) if self.source.isdecimal() else self.source)
        try:
            if not video.isOpened():
                raise InputError(f'{self.source}: OpenCV cannot open it as a video, a stream or a camera')
            stated = max(0, int(min(video.get(cv2.CAP_PROP_FRAME_COUNT), 2**31)))  # 0 or less: unknown, or endless
            number, done, damaged, failures = 0, 0, 0, 0
            while failures < MOST_FAILURES:
                read, frame = video.read()
                if read:
                    yield f'{number:06d}.png', frame
                    done, damaged, failures = done + 1, damaged + failures, 0
                elif number >= stated:
                    break
                else:
                    failures += 1  # the frame is damaged, and the next may be whole; or the file has fewer than it states
                number += 1
            self._check_end(done, damaged, stated)
        finally:
            video.release()

    def _check_end(self, done: int, damaged: int, stated: int) -> None:
        """Raise an error unless the video was read to its end."""
        tolerance = 0 if Path(self.source).suffix.lower() in _LISTED else 1
        if damaged or done + tolerance < stated:
            found = f'{self.source}: only {done} of {max(stated, done + damaged)} frames could be read'
            with as_input_error(f'{self.source}: cannot be read', OSError):
                certain = damaged or not done or not self.files or any(map(is_cut, self.files))
            if certain:
                raise InputError(f'{found}; it is cut off or damaged, or the stream broke')
            doubt = 'some are damaged, unless the video was trimmed, converted or recorded at a variable rate'
            warnings.warn(f'{found}: {doubt}', stacklevel=3)
        if done == 0:
            raise InputError(f'{self.source}: no frame could be read')
        if not stated and not any(file.is_file() for file in self.files):
            raise InputError(f'{self.source}: no more frames came after {done}; to end earlier by intention, give --limit')


Source = Images | Video


def source_of(text: str) -> Source:
    """Return the source that a user names.

    Args:
        text: Path of an image, of a folder of images or of a video; name pattern of numbered images, such as ``a/%04d.png``;
            URL, device or pipeline that OpenCV opens; or the number of a camera.

    Raises:
        InputError: There is no such file, or the folder has no images.
    """
    if not text:
        raise InputError('SOURCE is empty; is a variable of the shell empty?')
    path = Path(text)
    if text.isdecimal() and not path.exists():
        return Video(text)
    if path.is_dir():
        with as_input_error(f'{text}: this folder cannot be read', OSError):
            images, left_out = images_in(path.iterdir())
        if not images:
            raise InputError(f'{text}: there are no images in this folder')
        return Images(images, left_out)
    pattern = _NUMBERED.fullmatch(path.name)
    if pattern and is_picture(path) and not path.exists():
        return Images(_numbered_images(path, pattern))
    if '://' not in text and is_picture(path):
        return Images([path])
    if not path.exists() and not any(mark in text for mark in ('://', '!', '%')):
        raise InputError(
            f'{text}: there is no such file; give an image, a folder of images, a video, a stream or the number of a camera'
        )
    with as_input_error(f'{text!a}: OpenCV opens only names in UTF-8; rename it', UnicodeEncodeError):
        text.encode()
    return Video(text, [path] if path.exists() else [])


def _numbered_images(path: Path, pattern: re.Match[str]) -> list[Path]:
    number = re.compile(f'{re.escape(pattern["before"])}(\\d{{{int(pattern["digits"] or 1)},}}){re.escape(pattern["after"])}')
    with as_input_error(f'{path.parent}: this folder cannot be read', OSError):
        matches = [(match, file) for file in path.parent.iterdir() if (match := number.fullmatch(file.name))]
    if not matches:
        raise InputError(f'{path}: no images have such names')
    return [file for _, file in sorted((int(match[1]), file) for match, file in matches)]
