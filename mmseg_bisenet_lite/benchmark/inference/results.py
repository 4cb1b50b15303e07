"""What a benchmark found: rows of raw times with what they were measured on, and their file."""

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.benchmark.energy import Energy
from mmseg_bisenet_lite.benchmark.inference.engines import ENGINES
from mmseg_bisenet_lite.benchmark.inference.roofline import Operation, least_seconds, multiply_accumulates
from mmseg_bisenet_lite.benchmark.measure import Ratio, Summary, speed_ratio, summarise
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.files import write_text
from mmseg_bisenet_lite.utils.tables import numbered

# Of the file; another number means that older readers would misread it.
FORMAT = 2


@dataclass
class Row:
    """One model in one scope and precision at one size.

    Attributes:
        model: Name in the tables.
        config: File of the config, or name of the peer.
        checkpoint: File of the weights; ``None`` is the initial ones.
        paper: ``'r18'`` or ``'lite'`` if it is one of the paper's networks.
        scope: ``'forward'``, ``'predict'`` or ``'frame'``.
        precision: ``'fp32'``, ``'tf32'``, ``'bf16'``, ``'fp16'`` or ``'int8'``.
        engine: What ran it: a key of ``ENGINES``, ``'inference-model'``, or the runtime of an exported file.
        size: (width, height).
        batch: Images in one call.
        parameters: Weights of the network.
        operations: What one call computes and moves, operator by operator.
        rounds: Seconds of each call, one list for each round. Rows of one size have their rounds in common.
        warm_up: The same of the rounds before.
        settled: Whether the times had settled before the timed rounds.
        peak_bytes: Weights, and the most that one call holds beside them.
        changed: Share of pixels decided otherwise than by the plain model in float32.
        energy: Of one call, on devices that tell.
        accuracy: mIoU in %, where the user gave it.
    """

    model: str
    config: str
    checkpoint: str | None
    paper: str | None
    scope: str
    precision: str
    engine: str
    size: tuple[int, int]
    batch: int
    parameters: int
    operations: list[Operation]
    rounds: list[list[float]]
    warm_up: list[list[float]]
    settled: bool
    peak_bytes: int | None
    changed: float
    energy: Energy | None = None
    accuracy: float | None = None

    @property
    def way(self) -> str:
        """How it ran, in words: the precision, and the engine if it is not the plain one."""
        return self.precision if self.engine == 'eager' else f'{self.precision}, {self.engine}'

    @functools.cached_property
    def summary(self) -> Summary:
        """Quantiles of the seconds of one call."""
        return summarise(self.rounds)

    @property
    def fps(self) -> float:
        """Images per second, by the median call."""
        return self.batch / self.summary.median

    @property
    def macs(self) -> int:
        """Multiply-accumulates for each image."""
        return multiply_accumulates(self.operations) // self.batch

    def speed_ratio(self, reference: 'Row') -> Ratio:
        """How many times as fast as another row of the same rounds."""
        return speed_ratio(reference.rounds, self.rounds)


@dataclass
class Ceilings:
    """What the device did at its best in the run.

    Attributes:
        flops: Floating-point operations per second of a large matrix product, by precision.
        bandwidth: Bytes per second of a large copy, read and written.
    """

    flops: dict[str, float] = field(default_factory=dict)
    bandwidth: float = 0.0


@dataclass
class Results:
    """A run, whole or so far.

    Attributes:
        environment: Device and versions.
        settings: What the user chose.
        ceilings: The device's limits.
        rows: In the order of sizes, scopes, precisions and models.
        notes: What could not be measured and why, one line each.
    """

    environment: dict[str, Any]
    settings: dict[str, Any]
    ceilings: Ceilings = field(default_factory=Ceilings)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def groups(self) -> list[list[Row]]:
        """The rows that are compared with each other, of one size and scope; the first is the reference."""
        groups: dict[Any, list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.size, row.scope), []).append(row)
        return list(groups.values())

    def pairs(self) -> dict[str, list[tuple[Row, Row]]]:
        """The paper's two networks side by side in its scope, (ResNet-18, lite) at each size, by :attr:`Row.way`."""
        found: dict[str, list[tuple[Row, Row]]] = {}
        for group in (group for group in self.groups() if group[0].scope == 'forward'):
            for way in dict.fromkeys(row.way for row in group):
                both = {row.paper: row for row in reversed(group) if row.way == way}
                if 'r18' in both and 'lite' in both:
                    found.setdefault(way, []).append((both['r18'], both['lite']))
        return found

    def share_of_roofline(self, row: Row) -> float | None:
        """The least time that the row's operators need on this device, as a share of what they took.

        ``None`` for what PyTorch does not run: which operators there are is not known.
        """
        if row.engine not in ENGINES:
            return None
        least = least_seconds(row.operations, self.ceilings.flops[row.precision], self.ceilings.bandwidth)
        return least / row.summary.median

    def flops(self, row: Row) -> float:
        """Floating-point operations per second that the row reached."""
        return 2 * row.macs * row.batch / row.summary.median

    def save(self, path: Path) -> None:
        """Write everything as JSON, first under a temporary name."""
        content = {'format': FORMAT, **asdict(self)}
        for row, entry in zip(self.rows, content['rows'], strict=True):
            entry['operations'] = [[operation.flops, operation.bytes] for operation in row.operations]
            # For readers of the file; it is computed anew from the rounds when the file is read.
            entry['summary'] = {**asdict(row.summary), 'fps': row.fps, 'macs': row.macs}
        text = json.dumps(content, indent=1)
        write_text(path, text)


def load(path: Path) -> Results:
    """Read what :meth:`Results.save` wrote.

    Raises:
        InputError: The file is missing or is none of ours.
    """
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f'--from-json {path}: cannot be read: {error.strerror}') from error
    except ValueError as error:
        raise InputError(f'--from-json {path}: not a JSON file ({error}); give a file that --json wrote') from error
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise InputError(f'--from-json {path}: not a benchmark result in format {FORMAT}; run the benchmark again')
    try:
        rows = [_row(entry) for entry in content['rows']]
        ceilings = Ceilings(**content['ceilings'])
        return Results(content['environment'], content['settings'], ceilings, rows, content['notes'])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f'--from-json {path}: an incomplete benchmark result ({error!r}); run the benchmark again') from error


def load_all(paths: Sequence[Path], accuracies: dict[str, float]) -> dict[str, Results]:
    """Earlier runs by the names of their files, with accuracies entered that were measured elsewhere.

    Raises:
        InputError: A file is missing or is none of ours, or an accuracy is of no model in them.
    """
    runs = [load(path) for path in paths]
    rows = [row for results in runs for row in results.rows]
    check_accuracies(accuracies, [row.model for row in rows])
    with_accuracy(rows, accuracies)
    return dict(zip(numbered([path.stem for path in paths]), runs, strict=True))


def _row(entry: dict[str, Any]) -> Row:
    fields = {key: value for key, value in entry.items() if key != 'summary'}
    fields['size'] = tuple(fields['size'])
    fields['operations'] = [Operation(*operation) for operation in fields['operations']]
    if fields['energy'] is not None:
        fields['energy'] = Energy(**fields['energy'])
    return Row(**fields)


def check_accuracies(accuracies: dict[str, float], models: Iterable[str]) -> None:
    """Raise an :class:`InputError` if an accuracy is given for a model that is not there, or is no percentage."""
    names = sorted(set(models))
    for model, accuracy in accuracies.items():
        if model not in names:
            raise InputError(f'--accuracy {model}={accuracy}: there is no such model; choose from {", ".join(names)}')
        if not 0 <= accuracy <= 100:
            raise InputError(f'--accuracy {model}={accuracy}: give the mIoU in %, from 0 to 100')


def with_accuracy(rows: Sequence[Row], accuracies: dict[str, float]) -> None:
    """Enter the accuracy of each named model into its rows."""
    for row in rows:
        row.accuracy = accuracies.get(row.model, row.accuracy)
