"""Draws speed against size, and accuracy against speed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from mmseg_bisenet_lite.benchmark.inference.results import METRIC, Results, Row
from mmseg_bisenet_lite.utils.colours import COLOURS
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.files import atomic_write

MARKERS = 'osD^vPX'


def check_picture(path: Path) -> None:
    """Raise an :class:`InputError` if matplotlib cannot write pictures with this suffix."""
    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise InputError(f'--plot {path}: give a file name that ends in one of {", ".join(sorted(kinds))}')


def plot(runs: dict[str, Results], path: Path, metric: str = METRIC) -> list[Path]:
    """Draw speed against size, and with accuracies a second picture, accuracy against speed, in ``STEM_accuracy.SUFFIX``.

    Args:
        runs: Results by name.
        path: Output picture; its suffix is the format.
        metric: Name of the accuracies.

    Returns:
        The files written.
    """
    check_picture(path)
    written = [_save(_speed_figure(runs), path)]
    if any(row.accuracy is not None for results in runs.values() for row in results.rows):
        written.append(_save(_accuracy_figure(runs, metric), path.with_stem(f'{path.stem}_accuracy')))
    return written


def _save(figure: Figure, path: Path) -> Path:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=160, bbox_inches='tight')
    return path


def _label(row: Row, run: str, runs: dict[str, Results]) -> str:
    """Return the label of a line: the model, and what else differs between the lines."""
    rows = [r for results in runs.values() for r in results.rows]
    parts = [row.model] if len({r.model for r in rows}) > 1 else []
    parts += [row.engine] if len({r.engine for r in rows}) > 1 else []
    parts += [row.precision] if len({r.precision for r in rows}) > 1 else []
    parts += [run] if len(runs) > 1 else []
    return ', '.join(parts or [row.model])


def look(number: int) -> dict[str, Any]:
    """Return colour and marker of a line or point."""
    return dict(color=COLOURS[number % len(COLOURS)], marker=MARKERS[number // len(COLOURS) % len(MARKERS)])


def _style(axes: Axes) -> None:
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(True, which='both', color='0.92', linewidth=0.8)
    axes.set_axisbelow(True)


def _plain(axes: Axes, ticks: Sequence[float]) -> None:
    """Make the FPS axis logarithmic, with plain numbers at 1, 2 and 5 times powers of 10."""
    axes.set_yscale('log')
    low, high = min(ticks), max(ticks)
    axes.set_yticks([v for p in range(-3, 6) for m in (1, 2, 5) if low * 0.6 <= (v := m * 10.0**p) <= high * 1.6])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))


def _speed_figure(runs: dict[str, Results]) -> Figure:
    lines: dict[str, list[Row]] = {}
    for name, results in runs.items():
        for row in results.rows:
            lines.setdefault(_label(row, name, runs), []).append(row)
    # From the fastest to the slowest, the order of the lines in the picture.
    labels = sorted(lines, key=lambda label: -max(row.fps for row in lines[label]))
    scopes = list(dict.fromkeys(row.scope for rows in lines.values() for row in rows))

    figure = Figure(figsize=(1.2 + 5.6 * len(scopes), 5.0), layout='constrained')
    panels = figure.subplots(1, len(scopes), squeeze=False, sharey=True)[0]
    handles: dict[str, Line2D] = {}
    for axes, scope in zip(panels, scopes, strict=True):
        sizes: dict[tuple[int, int], None] = {}
        for number, label in enumerate(labels):
            rows = sorted((row for row in lines[label] if row.scope == scope), key=lambda row: _megapixels(row.size))
            if rows:
                sizes |= {row.size: None for row in rows}
                points = [_megapixels(row.size) for row in rows], [row.fps for row in rows]
                width = 3 if rows[0].paper else 1.5
                (handles[label],) = axes.plot(*points, linewidth=width, markersize=6, **look(number))
        _style(axes)
        axes.set_xscale('log')
        axes.set_xticks([_megapixels(size) for size in sizes], [f'{w}x{h}' for w, h in sizes], rotation=40, ha='right')
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_title(scope, loc='left', fontsize=10)
        axes.set_xlabel('image size')
    _plain(panels[0], [row.fps for rows in lines.values() for row in rows])
    panels[0].set_ylabel('frames per second')
    legend = dict(loc='center left', bbox_to_anchor=(1.02, 0.5), frameon=False)
    panels[-1].legend([handles[label] for label in labels], labels, **legend)
    figure.suptitle(_title(runs), x=0.01, ha='left', fontsize=11, weight='bold')
    return figure


def _megapixels(size: tuple[int, int]) -> float:
    return size[0] * size[1] / 1e6


def _title(runs: dict[str, Results]) -> str:
    devices = dict.fromkeys(_device(results) for results in runs.values())
    return ' / '.join(devices)


def _device(results: Results) -> str:
    threads = f', {results.environment["threads"]} threads' if results.environment['device_type'] == 'cpu' else ''
    return f'{results.environment["device"]}{threads}'


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points, (speed, accuracy), that no other equals in both and beats in one, in the order of their speed."""
    return [(x, y) for x, y in sorted(points) if not any((a, b) != (x, y) and a >= x and b >= y for a, b in points)]


def _accuracy_figure(runs: dict[str, Results], metric: str) -> Figure:
    """Draw one point for each row with an accuracy, at the first size and scope of its run, and the front of each run."""
    figure = Figure(figsize=(7.6, 4.4), layout='constrained')
    axes = figure.subplots()
    where = set()
    for name, results in runs.items():
        first = results.rows[0]
        where.add(f'{first.size[0]}x{first.size[1]}, {first.scope}')
        here = [row for row in results.rows if (row.size, row.scope) == (first.size, first.scope)]
        points = [(row.fps, row.accuracy, _label(row, name, runs)) for row in here if row.accuracy is not None]
        for fps, accuracy, label in points:
            axes.scatter([fps], [accuracy], s=80, zorder=3, label=label, **look(len(axes.collections)))
        best = front([(fps, accuracy) for fps, accuracy, _ in points])
        axes.plot([fps for fps, _ in best], [accuracy for _, accuracy in best], color='0.7', linewidth=1.2, zorder=2)
    _style(axes)
    axes.margins(y=0.12)
    axes.set_xlim(left=0)
    axes.legend(loc='center left', bbox_to_anchor=(1.02, 0.5), frameon=False)
    axes.set_xlabel(f'frames per second at {" / ".join(sorted(where))}')
    axes.set_ylabel(f'{metric} (%)')
    figure.suptitle(_title(runs), x=0.01, ha='left', fontsize=11, weight='bold')
    return figure
