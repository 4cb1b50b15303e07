"""Results of the inference benchmark: rows of raw times, the environment, and their JSON file."""

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

# Name of the accuracies, unless the user names another.
METRIC = 'mIoU'

# Version of the file format, raised when older readers would misread the file.
FORMAT = 2


@dataclass
class Row:
    """The results of one model in one scope, engine and precision at one size.

    Attributes:
        model: Name in the tables.
        config: Config file, or name of the peer.
        checkpoint: Checkpoint file; ``None`` for initial weights.
        paper: ``'r18'`` or ``'lite'`` for the paper's two networks, else ``None``.
        scope: ``'forward'``, ``'predict'`` or ``'frame'``.
        precision: ``'fp32'``, ``'tf32'``, ``'bf16'``, ``'fp16'`` or ``'int8'``.
        engine: Key of ``ENGINES`` or ``RUNTIMES``, ``'inference-model'``, or the runtime of an exported file.
        size: (width, height) in pixels.
        batch: Images in one call.
        parameters: Number of parameters of the network.
        operations: Arithmetic and memory traffic of one call, by operator.
        rounds: Seconds of each call, one list for each round. Rows of one size share their rounds.
        warm_up: The same for the warm-up rounds.
        settled: Whether the times had settled before the timed rounds.
        peak_bytes: Weights, and the peak memory of one call beside them, in bytes; ``None`` if unknown.
        changed: Share of the pixels whose class differs from the model's in eager float32.
        energy: Energy of one call; ``None`` if the device does not report it.
        accuracy: mIoU, or another metric, in %, if the user gave it.
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
        """The precision, and the engine if it is not eager."""
        return self.precision if self.engine == 'eager' else f'{self.precision}, {self.engine}'

    @functools.cached_property
    def summary(self) -> Summary:
        """Statistics of the times of one call."""
        return summarise(self.rounds)

    @property
    def fps(self) -> float:
        """Images per second, from the median time of a call."""
        return self.batch / self.summary.median

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return multiply_accumulates(self.operations) // self.batch

    def speed_ratio(self, reference: 'Row') -> Ratio:
        """Return the speed relative to another row with the same rounds."""
        return speed_ratio(reference.rounds, self.rounds)


@dataclass
class Ceilings:
    """The device limits, measured in the run.

    Attributes:
        flops: Floating-point operations per second of a large matrix product, by precision.
        bandwidth: Bytes per second of a large copy, reads and writes together.
    """

    flops: dict[str, float] = field(default_factory=dict)
    bandwidth: float = 0.0


@dataclass
class Results:
    """The results of a run, complete or so far.

    Attributes:
        environment: Device and versions.
        settings: The options.
        ceilings: The device limits.
        rows: One row for each candidate, in the order of sizes, scopes, engines, precisions and models.
        notes: Remarks on the run, one line each, such as a measurement that failed.
    """

    environment: dict[str, Any]
    settings: dict[str, Any]
    ceilings: Ceilings = field(default_factory=Ceilings)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def groups(self) -> list[list[Row]]:
        """Group the rows by size and scope; the first row of a group is its reference."""
        groups: dict[Any, list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.size, row.scope), []).append(row)
        return list(groups.values())

    def pairs(self) -> dict[str, list[tuple[Row, Row]]]:
        """Return the paper's two networks in its scope: (ResNet-18, lite) at each size, by :attr:`Row.way`."""
        pairs: dict[str, list[tuple[Row, Row]]] = {}
        for group in (group for group in self.groups() if group[0].scope == 'forward'):
            for way in dict.fromkeys(row.way for row in group):
                both = {row.paper: row for row in reversed(group) if row.way == way}
                if 'r18' in both and 'lite' in both:
                    pairs.setdefault(way, []).append((both['r18'], both['lite']))
        return pairs

    def share_of_roofline(self, row: Row) -> float | None:
        """Return the least time that the row's operators need on this device, as a share of the median time.

        Returns:
            The share; ``None`` for engines other than PyTorch, whose operators are unknown.
        """
        if row.engine not in ENGINES:
            return None
        least = least_seconds(row.operations, self.ceilings.flops[row.precision], self.ceilings.bandwidth)
        return least / row.summary.median

    def flops(self, row: Row) -> float:
        """Return the floating-point operations per second of a row."""
        return 2 * row.macs * row.batch / row.summary.median

    def save(self, path: Path) -> None:
        """Write the results as JSON, first under a temporary name."""
        content = {'format': FORMAT, **asdict(self)}
        for row, entry in zip(self.rows, content['rows'], strict=True):
            entry['operations'] = [[operation.flops, operation.bytes] for operation in row.operations]
            # For other readers of the file; load() computes it from the rounds again.
            entry['summary'] = {**asdict(row.summary), 'fps': row.fps, 'macs': row.macs}
        text = json.dumps(content, indent=1)
        write_text(path, text)


def load(path: Path) -> Results:
    """Read a file that :meth:`Results.save` wrote.

    Raises:
        InputError: The file is missing, or is not a result of this benchmark.
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
    """Read earlier runs by the stems of their files, and add accuracies that were measured elsewhere.

    Raises:
        InputError: A file is missing or is not a result of this benchmark, or there is no model for an accuracy.
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
    """Raise an :class:`InputError` if there is no model for an accuracy, or if it is not a percentage."""
    names = sorted(set(models))
    for model, accuracy in accuracies.items():
        if model not in names:
            raise InputError(f'--accuracy {model}={accuracy}: there is no such model; choose from {", ".join(names)}')
        if not 0 <= accuracy <= 100:
            raise InputError(f'--accuracy {model}={accuracy}: give it in %, from 0 to 100')


def with_accuracy(rows: Sequence[Row], accuracies: dict[str, float]) -> None:
    """Set the accuracy of each named model in its rows."""
    for row in rows:
        row.accuracy = accuracies.get(row.model, row.accuracy)
