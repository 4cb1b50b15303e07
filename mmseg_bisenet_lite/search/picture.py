"""Draws accuracy against speed, and the front."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmseg_bisenet_lite.benchmark.inference import Results as Speeds
from mmseg_bisenet_lite.benchmark.inference import look
from mmseg_bisenet_lite.search.front import fronts
from mmseg_bisenet_lite.search.results import Result
from mmseg_bisenet_lite.utils.files import atomic_write
from mmseg_bisenet_lite.utils.sizes import size_text


def draw(results: Sequence[Result], speeds: Speeds, path: Path) -> None:
    """Draw mean AP against frames per second, one panel for each way of running the candidates, and the front as a line.

    Args:
        results: Results of the trainings.
        speeds: Results of the benchmark.
        path: Output picture.
    """
    ways = fronts(results, speeds)
    looks = {name: look(number) for number, name in enumerate(dict.fromkeys(row.model for row in speeds.rows))}
    size = size_text(speeds.rows[0].size)
    figure = Figure(figsize=(3 + 3.8 * len(ways), 4), layout='constrained')
    panels = figure.subplots(1, len(ways), squeeze=False, sharey=True)[0]
    for axes, (way, points) in zip(panels, ways.items(), strict=True):
        best = sorted((fps, ap) for fps, ap, on_front in points.values() if on_front)
        axes.plot([fps for fps, _ in best], [ap for _, ap in best], color='0.7', linewidth=1.2)
        for name, (fps, ap, _) in points.items():
            axes.scatter([fps], [ap], s=70, zorder=3, **looks[name])
        axes.set_title(way)
        axes.set_xlabel(f'frames per second at {size}')
        axes.margins(x=0.1, y=0.12)
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
    entries = [Line2D([], [], linestyle='', markersize=8, label=name, **each) for name, each in looks.items()]
    panels[-1].legend(handles=entries, loc='center left', bbox_to_anchor=(1.02, 0.5), frameon=False)
    panels[0].set_ylabel('mean AP on drives left out (%)')
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=130)
