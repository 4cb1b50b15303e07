"""Videos: the overlays of a moving source as one file."""

import re
import threading
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mmseg_bisenet_lite.deploy.fit import Letterbox
from mmseg_bisenet_lite.deploy.paint import paint
from mmseg_bisenet_lite.deploy.predict.frames import Frame, Result, Source
from mmseg_bisenet_lite.deploy.predict.outputs.writer import Setting, Writer
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.library import require

RATE = 25.0  # frames a second of a video whose source states none
_LONGEST_GAP = 60  # seconds; for a longer one the video would stand still
_NUMBER = re.compile(r'%(0\d+)?d')  # in a pattern of numbered images


class Video(Writer):
    """Writes one video for each moving source, at the source's frame rate.

    A video gets its name when its source has ended; an interrupted one is done again from its start. So the frames of a source
    must come either all or not at all, and those of sources that are not live one source after the other.

    Raises:
        InputError: No source moves, or two videos would have one name.
    """

    suffix: ClassVar[str] = '.mp4'
    codec: ClassVar[str] = 'mp4v'

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._lock = threading.Lock()
        self._open: dict[Source, _Encoder] = {}
        self._names: dict[Source, str] = {}
        moving = [source for source in setting.sources if source.moving]
        if not moving and not setting.part:
            kind = type(self).__name__.lower()
            instead = 'for still images give overlay, or a pattern such as frames/%04d.png if they are the images of a video'
            raise InputError(f'--save {kind}: no SOURCE is a video, a stream or a camera; {instead}')
        for source in moving:
            name = _name(source)
            other = next((each for each, taken in self._names.items() if taken.casefold() == name.casefold()), None)
            if other:
                raise InputError(
                    f'the videos of {other.label} and {source.label} would be one file; give another --out to each'
                )
            self._names[source] = name

    def done(self, name: str, source: Source) -> bool:
        """Whether the video of the source is finished; nothing is missing for a source of still images."""
        return not source.moving or (self.setting.folder.path / self._file(source)).is_file()

    def write(self, result: Result) -> None:
        """Add a result to the video of its source."""
        source = result.frame.source
        if not source.moving:
            return
        painted = paint(result.frame.pixels, result.mask, self.setting.metadata.palette)
        with self._lock:
            if source not in self._open:
                for ended in [each for each in self._open if not (each.live or source.live)]:
                    self._open.pop(ended).finish()
                file = self.setting.folder.file(self._file(source))
                self._open[source] = _Encoder(file, self.codec, result.frame)
            self._open[source].write(painted, result.frame)

    def close(self, complete: bool) -> None:
        """Finish the videos; after an interruption only those of live sources, and the others are removed."""
        with ExitStack() as stack:  # if one fails, the others are finished
            for source, encoder in self._open.items():
                stack.callback(encoder.finish if complete or source.live else encoder.drop)
            self._open.clear()

    def _file(self, source: Source) -> str:
        return f'video/{self._names[source]}{self.suffix}'


class WebM(Video):
    """Writes videos that browsers play too; encoding them takes 15 times as long."""

    suffix: ClassVar[str] = '.webm'
    codec: ClassVar[str] = 'VP80'


class _Encoder:
    """A video file that is being written, under a temporary name."""

    def __init__(self, file: Path, codec: str, first: Frame) -> None:
        cv2 = require('cv2', 'opencv-python-headless')
        self._file = file
        self._part = file.with_name(f'.{file.stem}.part{file.suffix}')
        self._first = first
        self._size = first.pixels.shape[1], first.pixels.shape[0]
        self._written = 0
        self._before = first.pixels
        self._rate = first.source.rate or RATE
        if not first.source.rate:
            warnings.warn(
                f'{first.source.label}: its frame rate is unknown; {file.name} has {RATE:g} frames a second', stacklevel=2
            )
        path = str(self._part.absolute())  # FFmpeg takes what is before a colon for a protocol, if no / is before it
        with as_input_error(f'{file}: cannot be encoded', cv2.error, UnicodeEncodeError):
            fourcc = cv2.VideoWriter_fourcc(*codec)
            self._writer: Any = cv2.VideoWriter(path, cv2.CAP_FFMPEG, fourcc, self._rate, self._size)
        if not self._writer.isOpened():
            self.drop()
            raise InputError(f'{file}: OpenCV cannot encode a video of {"x".join(map(str, self._size))} pixels as {codec}')

    def write(self, painted: np.ndarray, frame: Frame) -> None:
        """Write a frame where it belongs in time: in place of missing ones the one before is shown longer."""
        size = painted.shape[1], painted.shape[0]
        if size != self._size:  # a video has one size
            painted = Letterbox(size, self._size).put(painted)
        missing = self._missing(frame)
        if missing < -1:  # a live source that is faster than its rate; by one frame it may be too early
            return
        for _ in range(min(missing, round(_LONGEST_GAP * self._rate))):
            self._put(self._before)
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
            return round((frame.captured - self._first.captured) * self._rate) - self._written
        return frame.number - self._first.number - self._written

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


def _name(source: Source) -> str:
    """Return the name of a source's video: that of its frames' folder; for numbered images with what their names begin with."""
    folder = source.name(0).rpartition('/')[0]
    pattern = Path(source.label)
    if not _NUMBER.search(pattern.name):
        return folder or 'video'
    stem = _NUMBER.sub('', pattern.stem).strip(' _-.')
    return '/'.join(part for part in (folder, stem) if part) or 'frames'
