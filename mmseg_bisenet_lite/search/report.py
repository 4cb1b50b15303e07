"""Tables of a search."""

from collections.abc import Sequence

from mmseg_bisenet_lite.benchmark.inference import Results as Speeds
from mmseg_bisenet_lite.reproduce.report import spread
from mmseg_bisenet_lite.search.candidates import LEARNED
from mmseg_bisenet_lite.search.front import fronts
from mmseg_bisenet_lite.search.results import Result
from mmseg_bisenet_lite.utils.sizes import size_text
from mmseg_bisenet_lite.utils.tables import Table


def report(results: Sequence[Result], speeds: Speeds | None, failures: Sequence[str]) -> tuple[list[Table], list[str]]:
    """Return the tables and the lines that explain them.

    Args:
        results: Results of the trainings.
        speeds: Results of the benchmark; ``None`` if nothing was timed.
        failures: A line for each training or file that failed.
    """
    grouped: dict[str, list[Result]] = {}
    for result in results:
        grouped.setdefault(result.candidate, []).append(result)
    tables = [_speeds(results, speeds)] if speeds else []
    tables += [_scores(grouped, metric, name) for metric, name in (('AP', 'AP'), ('fgIoU', 'IoU'))]
    iterations = sorted({result.iterations for result in results})
    made = {', '.join(f'{name} {value}' for name, value in result.made_with.items()) for result in results}
    lines = [
        f'AP and IoU (margin 0) of the foreground in %, mean ± standard deviation over the seeds. Trained on drive '
        f'{", ".join(LEARNED)} for {" or ".join(map(str, iterations)) or 0} iterations, tested on the others; each target '
        'and drive weighs the same in the mean.',
        *(f'Trained with {each}.' for each in sorted(made)),
        *failures,
    ]
    if speeds:
        size = size_text(speeds.rows[0].size)
        where = f'{speeds.environment["device"]}, {speeds.environment["threads"]} threads'
        lines.insert(1, f'Speed: frames per second from frame to mask at {size}, in one run, on {where}.')
    return [table for table in tables if table.rows], lines


def _speeds(results: Sequence[Result], speeds: Speeds) -> Table:
    """Tabulate speed and accuracy, one row for each candidate; a star marks the front of a way of running them."""
    ways = fronts(results, speeds)
    rows = []
    for name in dict.fromkeys(row.model for row in speeds.rows):
        of_model = [row for row in speeds.rows if row.model == name]
        cells = []
        for way, points in ways.items():
            found = next((row for row in of_model if row.way == way), None)
            if found is None or name not in points:
                cells += ['-', '-']
                continue
            reference = next(row for row in speeds.rows if row.way == way)
            ratio = '' if found is reference else f'{found.speed_ratio(reference).value:.2f}'
            cells += [f'{found.fps:.1f}{" *" if points[name][2] else ""}', ratio or '1']
        aps = [result.mean('AP') for result in results if result.candidate == name]
        first = of_model[0]
        rows.append([name, f'{first.parameters / 1e6:.2f}', f'{first.macs / 1e9:.2f}', spread(aps, 1) if aps else '-', *cells])
    columns = ['model', 'parameters (M)', 'GMAC', 'mean AP']
    for way in ways:
        columns += [way, f'{way}: ratio']
    return Table('Speed and accuracy; *: no other is as good in both and better in one', columns, rows)


def _scores(grouped: dict[str, list[Result]], metric: str, name: str) -> Table:
    """Tabulate a metric of each target and drive."""
    rows = []
    headings: list[str] = []
    for candidate, results in grouped.items():
        places = [(target, drive) for target, of_target in results[0].scores.items() for drive in of_target]
        headings = [f'{target}, {drive}' for target, drive in places]
        cells = [spread([each.scores[target][drive][metric] for each in results], 1) for target, drive in places]
        means = [each.mean(metric) for each in results]
        rows.append([candidate, *cells, spread(means, 1), ', '.join(f'{mean:.1f}' for mean in means)])
    return Table(f'{name} on drives left out', ['model', *headings, 'mean', 'of each seed'], rows)
