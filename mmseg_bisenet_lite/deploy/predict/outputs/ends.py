"""Ends: how many frames videos have, by those who read them to the end."""

import json
from collections.abc import Iterable, Iterator

from mmseg_bisenet_lite.deploy.predict.frames import Source
from mmseg_bisenet_lite.deploy.predict.outputs.writer import Setting, input_of, modified
from mmseg_bisenet_lite.deploy.predict.sources import Images

_KEYS = ('name', 'source', 'modified', 'frames')


class Ends:
    """Numbers of frames of the videos that were read to their ends, in a hidden file of lines.

    What a container states is often only an estimate, by which such a video would never be complete.

    Args:
        setting: What all writers of a run share.
    """

    def __init__(self, setting: Setting) -> None:
        self._rows = setting.rows('.ends', '.jsonl', _parse)
        lines = setting.rows_of_all('.ends', '.jsonl', _parse)
        self._known = {name: (frames, (source, time)) for name, source, time, frames in map(_values, lines)}

    def length(self, source: Source) -> int | None:
        """Return the number of frames of a source: as an earlier run counted them, or as the source states it."""
        known = source.files and not isinstance(source, Images)  # of images it is certain
        frames, of = self._known.get(source.name(0), (None, None)) if known else (None, None)
        return frames if frames is not None and of == _identity(source) else source.count

    def add(self, source: Source, frames: int) -> None:
        """Note the number of frames of a source that was read to its end."""
        row = dict(zip(_KEYS, (source.name(0), *_identity(source), frames), strict=True))
        self._rows.append(source.name(0), json.dumps(row) + '\n')

    def close(self) -> None:
        """Close the file."""
        self._rows.close()


def _identity(source: Source) -> tuple[str, float]:
    path = input_of(source, 0)
    return path, modified(path)


def _values(line: str) -> tuple[str, str, float, int]:
    name, source, time, frames = (json.loads(line)[key] for key in _KEYS)
    return name, source, time, frames


def _parse(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        yield json.loads(line)['name'], line
