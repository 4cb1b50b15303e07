"""Summary: a table in CSV with a row for each frame."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from itertools import chain

from mmseg_bisenet_lite.deploy.calibration import UNDECIDED
from mmseg_bisenet_lite.deploy.predict.frames import Result, Source
from mmseg_bisenet_lite.deploy.predict.outputs.writer import Setting, Writer, input_of, modified
from mmseg_bisenet_lite.deploy.predict.sources import Images
from mmseg_bisenet_lite.utils.errors import InputError

COLUMNS = ('name', 'source', 'modified', 'frame', 'foreground', 'undecided', 'milliseconds', 'outputs', 'options')


class Summary(Writer):
    """Writes what each frame is of, what was found, and what was written of it by the same options.

    It is written last, so a frame with a row has all the outputs that the row names.

    Args:
        setting: What all writers of a run share.
        kinds: What else is written of each frame.
        of_stills: The same of still images, which have no video.
    """

    def __init__(self, setting: Setting, kinds: Iterable[str] = (), of_stills: Iterable[str] = ()) -> None:
        super().__init__(setting)
        self._kinds, self._of_stills = frozenset(kinds), frozenset(of_stills)
        self._rows = setting.rows('summary', '.csv', _parse, _line(COLUMNS))
        # Names of frames -> what was written of them, of the same inputs, unchanged since, and with the same options.
        self._outputs: dict[str, str] = {}

    def read_earlier(self, overwrite: bool) -> None:
        """Read the rows of earlier runs and of other parts.

        Args:
            overwrite: Whether outputs of other inputs of the same names, or made with other options, may be overwritten.

        Raises:
            InputError: There are such outputs, and they may not.
        """
        inputs: dict[str, str] | None = None
        wrong: dict[str, str] = {}
        for row in csv.reader(self.setting.rows_of_all('summary', '.csv', _parse, _line(COLUMNS))):
            if inputs is None:  # only now, as there may be 100,000
                inputs = dict(chain.from_iterable(map(_inputs, self.setting.sources)))
            name, source, changed, *_, outputs, options = row
            if (here := inputs.get(name, inputs.get(_folder(name)))) is None:
                self._outputs[name] = sys.intern(outputs)
                continue
            wrong.pop(name, None)  # the newest row counts
            self._outputs.pop(name, None)
            if source != here:
                wrong[name] = f'are of {source}, not of {here}'
            elif options != (ours := self.setting.options):
                wrong[name] = f'were made with {options}, not with {ours}'
            elif float(changed) == modified(here):  # otherwise it is another picture by now
                self._outputs[name] = sys.intern(outputs)
        if wrong and not overwrite:
            name, what = next(iter(wrong.items()))
            raise InputError(
                f'--out {self.setting.folder.path}: the outputs of {name} there {what}; give another folder, or --overwrite'
            )

    def done(self, name: str, source: Source) -> bool:
        """Whether all that this run writes of a frame has been written; of a live source whether anything has."""
        if source.live:
            return name in self._rows
        return name in self._outputs and self._kinds_of(source).issubset(self._outputs[name].split())

    def write(self, result: Result) -> None:
        """Write the row of a result."""
        frame, mask = result.frame, result.mask
        shares = (round(float((mask == value).mean()), 6) for value in (1, UNDECIDED))
        source = input_of(frame.source, frame.number)
        changed = modified(source) if frame.source.files else 0.0
        number = frame.number if frame.source.moving else 0
        earlier = '' if frame.source.live else self._outputs.get(frame.name, '')
        outputs = ' '.join(sorted(self._kinds_of(frame.source).union(earlier.split())))
        found = (number, *shares, round(1000 * result.seconds, 3))
        self._rows.append(frame.name, _line((frame.name, source, changed, *found, outputs, self.setting.options)))

    def _kinds_of(self, source: Source) -> frozenset[str]:
        return self._kinds if source.moving else self._of_stills

    def close(self, complete: bool) -> None:
        """Close the file."""
        self._rows.close()


def _inputs(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the names of the outputs and the files of a source that can be continued; of a video the folder of the outputs."""
    if isinstance(source, Images):
        yield from ((source.name(number), input_of(source, number)) for number in range(source.count))
    elif source.moving and not source.live:
        yield _folder(source.name(0)), input_of(source, 0)


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
            name, source, changed, number, *others = row  # numbers are read as floating-point numbers
            yield name, _line((name, source, changed, int(number), *others))
