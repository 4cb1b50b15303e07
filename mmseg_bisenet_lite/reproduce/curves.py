"""Draws the validation curves of the trainings."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mmseg_bisenet_lite.reproduce.config import OWN, PROTOCOLS, groups
from mmseg_bisenet_lite.reproduce.paper import ACCURACIES
from mmseg_bisenet_lite.reproduce.results import Result
from mmseg_bisenet_lite.utils.colours import COLOURS
from mmseg_bisenet_lite.utils.files import atomic_write


def draw(done: Sequence[Result], dataset: str, path: Path, protocol: str = 'val') -> None:
    """Draw mIoU over the iterations, one panel for each target: the mean over the seeds, and their range.

    Args:
        done: Results of the trainings; where drives are left out, of :func:`mean_over_drives`.
        dataset: Key of ``DATASETS``; only ``'cityscapes'`` gets the paper's accuracies as dotted lines.
        path: Output picture.
        protocol: Key of ``PROTOCOLS``.
    """
    targets = sorted({result.run.target for result in done})
    figure = Figure(figsize=(6 * len(targets), 4.2))
    for place, target in enumerate(targets):
        axes = figure.add_subplot(1, len(targets), place + 1)
        chosen = groups(result for result in done if result.run.target == target)
        for number, ((network, loss, _), results) in enumerate(chosen.items()):
            steps = sorted(set.intersection(*({step for step, _ in result.curve} for result in results)))
            values = [[dict(result.curve)[step] for result in results] for step in steps]
            colour = COLOURS[number % len(COLOURS)]
            style = '--' if loss == 'ce' else ('-', ':')[number // len(COLOURS) % 2]
            label = network if loss == OWN else f'{network}, {loss}'
            axes.plot(
                steps, [statistics.mean(each) for each in values], style, color=colour, marker='o', markersize=3, label=label
            )
            axes.fill_between(steps, [min(each) for each in values], [max(each) for each in values], color=colour, alpha=0.15)
            if dataset == 'cityscapes' and (paper := ACCURACIES.get((network, loss, target))) is not None:
                axes.axhline(paper, color=colour, linewidth=0.8, linestyle=':')
        axes.set_title(f'{target}, {dataset} {PROTOCOLS[protocol]}')
        axes.set_xlabel('iteration')
        axes.set_ylabel('mIoU (%)')
        axes.grid(alpha=0.3)
        axes.legend()
    figure.tight_layout()
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=130)
