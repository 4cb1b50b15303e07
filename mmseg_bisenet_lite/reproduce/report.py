"""Tables of the accuracies, beside the paper's."""

import statistics
from collections.abc import Sequence

from mmseg_bisenet_lite.reproduce.config import FAMILY, OWN, PROTOCOLS, Run, drives_of, groups
from mmseg_bisenet_lite.reproduce.drives import mean_over_drives
from mmseg_bisenet_lite.reproduce.paper import ACCURACIES
from mmseg_bisenet_lite.reproduce.results import Result
from mmseg_bisenet_lite.utils.tables import Table

# Metrics beside mIoU, and their headings.
MORE = {
    'fgIoU': 'IoU',
    'precision': 'precision',
    'recall': 'recall',
    'F1': 'F1',
    'boundaryIoU': 'boundary IoU',
    'AP': 'AP',
    'bestF1': 'best F1',
    'threshold': 'best threshold',
}
# And of the table of the drives.
OF_DRIVES = {'fgIoU': 'IoU', 'AP': 'AP', 'bestF1': 'best F1', 'mIoU': 'mIoU'}


def report(
    done: Sequence[Result], failed: dict[Run, str], dataset: str, protocol: str = 'val'
) -> tuple[list[Table], list[str]]:
    """Return the tables and the lines that explain them.

    Where drives are left out, there is a table of each drive, and the others are of the mean over the drives.

    Args:
        done: Results of the trainings.
        failed: Reasons of the failed trainings.
        dataset: Key of ``DATASETS``.
        protocol: Key of ``PROTOCOLS``.
    """
    trained, done = done, mean_over_drives(done, drives_of(dataset, protocol))
    tables = [_drives(trained, done), _accuracies(done, dataset), _differences(done), _foreground(done)]
    seeds = sorted({len(results) for results in groups(done).values()})
    mean = ', mean over the drives' if protocol == 'drives' else ''
    lines = [
        f'mIoU: over the two classes, in %, on the {dataset} {PROTOCOLS[protocol]}{mean}, with the last checkpoint of each '
        f'training; mean ± standard deviation over {" or ".join(map(str, seeds)) or 0} seed(s). The paper used Cityscapes.',
        *sorted(
            {f'Trained with {", ".join(f"{name} {value}" for name, value in each.made_with.items())}.' for each in trained}
        ),
        *(f'{run.title}, failed: {why}' for run, why in failed.items()),
        *(f'Accuracy against speed: tools/benchmark.py ... --plot FILE --accuracy {points}' for points in _points(done)),
    ]
    return [table for table in tables if table.rows], lines


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Format mean and standard deviation, such as ``'88.12 ± 0.31'``; one value has no deviation."""
    mean = f'{statistics.mean(values):.{digits}f}'
    return f'{mean} ± {statistics.stdev(values):.{digits}f}' if len(values) > 1 else mean


def _drives(trained: Sequence[Result], means: Sequence[Result]) -> Table:
    """Tabulate each drive that was left out, and the mean; no rows if none was."""
    columns = [name for name in OF_DRIVES if all(name in result.metrics for result in trained)]
    drives = list(dict.fromkeys(result.run.left_out for result in trained if result.run.left_out))
    rows = []
    for (network, loss, target), results in groups(trained).items():
        of_drives = {drive: [result for result in results if result.run.left_out == drive] for drive in drives}
        of_drives['mean'] = groups(means).get((network, loss, target), []) if drives else []
        for drive, chosen in of_drives.items():
            if chosen:
                values = [spread([result.metrics[name] for result in chosen]) for name in columns]
                rows.append([target, network, loss, drive, *values, str(len(chosen))])
    rows.sort(key=lambda row: (row[0], row[2] == OWN))
    headings = ['target', 'model', 'loss', 'drive left out', *(OF_DRIVES[name] for name in columns), 'seeds']
    return Table('Drives left out, foreground and mIoU in %; IoU at margin 0', headings, rows)


def _accuracies(done: Sequence[Result], dataset: str) -> Table:
    rows = []
    for (network, loss, target), results in groups(done).items():
        values = [result.metrics['mIoU'] for result in results]
        paper = ACCURACIES.get((network, loss, target))
        rows.append([target, network, loss, spread(values), str(len(values)), '-' if paper is None else f'{paper:.2f}'])
    rows.sort(key=lambda row: (row[0], row[2] == OWN))
    columns = ['target', 'model', 'loss', f'{dataset}: mIoU', 'seeds', 'paper, Cityscapes: mIoU']
    return Table('Accuracy', columns, rows)


def _differences(done: Sequence[Result]) -> Table:
    """Tabulate the paper's two claims and our own, each from pairs of trainings with the same seed."""
    scores = {result.run: result.metrics['mIoU'] for result in done}
    claims = {
        'hinge minus cross entropy': (('lite', 'hinge'), ('lite', 'ce')),
        'hinge minus cross entropy, ResNet-18': (('r18', 'hinge'), ('r18', 'ce')),
        'lite minus ResNet-18': (('lite', 'hinge'), ('r18', 'hinge')),
        'lite minus ResNet-18, cross entropy': (('lite', 'ce'), ('r18', 'ce')),
        'lite-tuned minus lite': (('lite-tuned', 'hinge'), ('lite', 'hinge')),
        'lite-shared minus lite': (('lite-shared', 'hinge'), ('lite', 'hinge')),
        **{f'{size} minus lite-shared': ((size, 'hinge'), ('lite-shared', 'hinge')) for size in FAMILY},
    }
    rows = []
    for claim, (one, other) in claims.items():
        for target in sorted({run.target for run in scores}):
            seeds = sorted({run.seed for run in scores})
            pairs = [(Run(*one, target, seed), Run(*other, target, seed)) for seed in seeds]
            differences = [scores[a] - scores[b] for a, b in pairs if a in scores and b in scores]
            paper = [ACCURACIES.get((*names, target)) for names in (one, other)]
            if differences:
                paper_difference = '-' if None in paper else f'{paper[0] - paper[1]:+.2f}'  # type: ignore[operator]
                rows.append([claim, target, spread(differences), str(len(differences)), paper_difference])
    return Table(
        'Differences between trainings with the same seed, in points of mIoU',
        ['difference', 'target', 'here', 'pairs', 'paper'],
        rows,
    )


def _foreground(done: Sequence[Result]) -> Table:
    columns = [name for name in MORE if all(name in result.metrics for result in done)]
    rows = [
        [target, network, loss, *(spread([result.metrics[name] for result in results]) for name in columns)]
        for (network, loss, target), results in groups(done).items()
    ]
    rows.sort(key=lambda row: (row[0], row[2] == OWN))
    headings = ['target', 'model', 'loss', *(MORE[name] for name in columns)]
    return Table('Foreground, in %; best threshold: the margin with the best F1', headings, rows)


def _points(done: Sequence[Result]) -> list[str]:
    """Return the ``--accuracy`` values of ``tools/benchmark.py`` for each target: our config names, or peer names, and mIoU."""
    points: dict[str, list[str]] = {}
    for (network, loss, target), results in groups(done).items():
        name = network if loss == OWN else results[0].run.name
        mean = statistics.mean(result.metrics['mIoU'] for result in results)
        points.setdefault(target, []).append(f'{name}={mean:.2f}')
    return [' '.join(values) for values in points.values()]
