"""Summary: a table in CSV with a row for each frame."""

import csv
import io
from collections.abc import Iterable, Iterator

from mmseg_bisenet_lite.deploy.calibration import UNDECIDED
from mmseg_bisenet_lite.deploy.predict.frames import Result, Source
from mmseg_bisenet_lite.deploy.predict.outputs.rows import Rows
from mmseg_bisenet_lite.deploy.predict.outputs.writer import Setting, Writer

COLUMNS = ('name', 'source', 'frame', 'foreground', 'undecided', 'milliseconds')


class Summary(Writer):
    """Writes for each frame: the name of its outputs, its source and number there, shares of pixels, duration of the inference.

    It is written last, so a frame with a row has all its outputs.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._rows = Rows(setting.folder.file(setting.table('summary', '.csv')), _parse, _line(COLUMNS))

    def done(self, name: str, source: Source) -> bool:
        """Whether a frame has a row from an earlier run."""
        return name in self._rows

    def write(self, result: Result) -> None:
        """Write the row of a result."""
        frame, mask = result.frame, result.mask
        shares = (round(float((mask == value).mean()), 6) for value in (1, UNDECIDED))
        row = (frame.name, frame.source.label, frame.number, *shares, round(1000 * result.seconds, 3))
        self._rows.append(frame.name, _line(row))

    def close(self, complete: bool) -> None:
        """Close the file."""
        self._rows.close()


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
