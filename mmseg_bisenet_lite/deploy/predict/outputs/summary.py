"""Summary: a table in CSV with a row for each frame."""

import csv
import io
import os
from collections.abc import Iterable, Iterator
from itertools import chain

from mmseg_bisenet_lite.deploy.calibration import UNDECIDED
from mmseg_bisenet_lite.deploy.predict.frames import Result, Source
from mmseg_bisenet_lite.deploy.predict.outputs.writer import Setting, Writer
from mmseg_bisenet_lite.deploy.predict.sources import Images
from mmseg_bisenet_lite.utils.errors import InputError

COLUMNS = ('name', 'source', 'frame', 'foreground', 'undecided', 'milliseconds', 'options')


class Summary(Writer):
    """Writes for each frame: name of its outputs, file, number there, shares of pixels, duration of the inference, options.

    It is written last, so a frame with a row has all its outputs.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._rows = setting.rows('summary', '.csv', _parse, _line(COLUMNS))

    def check(self) -> None:
        """Raise an :class:`InputError` if a row of these inputs' names is of another input, or was made with other options."""
        inputs: dict[str, str] | None = None
        for row in csv.reader(self._rows):
            if inputs is None:  # only now, as there may be 100,000
                inputs = dict(chain.from_iterable(map(_inputs, self.setting.sources)))
            name, source, options = row[0], row[1], row[-1]
            if (here := inputs.get(name, inputs.get(_folder(name)))) is None:
                continue
            there = f'--out {self.setting.folder.path}: the outputs of {name} there'
            if source != here:
                raise InputError(f'{there} are of {source}, not of {here}; give another folder, or --overwrite')
            if options != (ours := self.setting.options):
                raise InputError(f'{there} were made with {options}, not with {ours}; give another folder, or --overwrite')

    def done(self, name: str, source: Source) -> bool:
        """Whether a frame has a row from an earlier run."""
        return name in self._rows

    def write(self, result: Result) -> None:
        """Write the row of a result."""
        frame, mask = result.frame, result.mask
        shares = (round(float((mask == value).mean()), 6) for value in (1, UNDECIDED))
        number = frame.number if frame.source.moving else 0
        milliseconds = round(1000 * result.seconds, 3)
        row = (frame.name, _input(frame.source, frame.number), number, *shares, milliseconds, self.setting.options)
        self._rows.append(frame.name, _line(row))

    def close(self, complete: bool) -> None:
        """Close the file."""
        self._rows.close()


def _input(source: Source, number: int) -> str:
    """Return the absolute path of the file with a frame; of a stream or a camera its label."""
    files = source.files
    return os.path.abspath(files[min(number, len(files) - 1)]) if files else source.label  # noqa: PTH100


def _inputs(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the names of the outputs and the files of a source that can be continued; of a video the folder of the outputs."""
    if isinstance(source, Images):
        yield from ((source.name(number), _input(source, number)) for number in range(source.count))
    elif source.moving and not source.live:
        yield _folder(source.name(0)), _input(source, 0)


def _folder(name: str) -> str:
    return f'{name.rpartition("/")[0]}/'


def _line(row: Iterable[object]) -> str:
    text = io.StringIO()
    # Texts are quoted always: Python 3.10 would not quote one with \r.
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator='\n').writerow(row)
    return text.getvalue()


def _parse(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for row in csv.reader(lines, quoting=csv.QUOTE_NONNUMERIC):
        if len(row) == len(COLUMNS):
            name, source, number, *others = row  # numbers are read as floating-point numbers
            yield name, _line((name, source, int(number), *others))
