"""Videos: the overlays of a moving source as one file."""

import re
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from mmseg_bisenet_lite.deploy.paint import paint
from mmseg_bisenet_lite.deploy.predict.frames import Result, Source
from mmseg_bisenet_lite.deploy.predict.outputs.encoder import Encoder
from mmseg_bisenet_lite.deploy.predict.outputs.writer import Setting, Writer
from mmseg_bisenet_lite.utils.errors import InputError

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
        self._open: dict[Source, Encoder] = {}
        self._ended: set[Source] = set()
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
        """Add a result to the video of its source.

        Raises:
            ValueError: Another source, which is not live either, has begun since.
        """
        source = result.frame.source
        if not source.moving:
            return
        painted = paint(result.frame.pixels, result.mask, self.setting.metadata.palette)
        with self._lock:
            if source not in self._open:
                if source in self._ended:  # its file would be replaced by one of the rest of its frames
                    raise ValueError(f'{source.label}: frames came after those of another video')
                for ended in [each for each in self._open if not (each.live or source.live)]:
                    self._ended.add(ended)
                    self._open.pop(ended).finish()
                file = self.setting.folder.file(self._file(source))
                if not source.live:
                    file.unlink(missing_ok=True)  # else an old one would pass for this one if the run ended here
                self._open[source] = Encoder(file, self.codec, result.frame)
            self._open[source].write(painted, result.frame)

    def drop(self, source: Source) -> None:
        """Remove the video of a source, of which not all frames can be written."""
        with self._lock:
            if encoder := self._open.pop(source, None):
                encoder.drop()

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


def _name(source: Source) -> str:
    """Return the name of a source's video: that of its frames' folder; for numbered images with what their names begin with."""
    folder = source.name(0).rpartition('/')[0]
    pattern = Path(source.label)
    if not _NUMBER.search(pattern.name):
        return folder or 'video'
    stem = _NUMBER.sub('', pattern.stem).strip(' _-.')
    return '/'.join(part for part in (folder, stem) if part) or 'frames'
