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
    if not results:
        return [], list(failures)
    iterations = sorted({result.iterations for result in results})
    made = {', '.join(f'{name} {value}' for name, value in result.made_with.items()) for result in results}
    lines = [
        f'AP and IoU (margin 0) of the foreground in %, mean ± standard deviation over the seeds. Trained on drive '
        f'{", ".join(LEARNED)} for {" or ".join(map(str, iterations))} iterations, tested on the others; each target '
        'and drive weighs the same in the mean.',
        *(f'Trained with {each}.' for each in sorted(made)),
        *failures,
    ]
    if speeds:
        size = size_text(speeds.rows[0].size)
        where = f'{speeds.environment["device"]}, {speeds.environment["threads"]} threads'
        told = [
            f'Speed: frames per second from frame to mask at {size}, and its ratio to {speeds.rows[0].model}, in one run, on '
        ]
        told[0] += f'{where}.'
        if unsettled := sum(not row.settled for row in speeds.rows):
            told.append(f'{unsettled} speed(s) had not settled: let nothing else run, delete speed.json and run again.')
        lines[1:1] = told
    return [table for table in tables if table.rows], lines


def _speeds(results: Sequence[Result], speeds: Speeds) -> Table:
    """Tabulate speed and accuracy, for each way of running the candidates; a star marks its front."""
    rows: list[list[str]] = []
    sections: set[int] = set()
    for way, points in fronts(results, speeds).items():
        of_way = {row.model: row for row in speeds.rows if row.way == way}
        reference = of_way.get(speeds.rows[0].model)
        sections.add(len(rows))
        for name, (fps, _, on_front) in points.items():
            row = of_way[name]
            ratio = '-' if reference is None else '1' if row is reference else str(row.speed_ratio(reference))
            aps = spread([result.mean('AP') for result in results if result.candidate == name], 1)
            size = [f'{row.parameters / 1e6:.2f}', f'{row.macs / 1e9:.2f}']
            rows.append([way, name, *size, aps, f'{fps:.1f}', ratio, '*' if on_front else ''])
    columns = ['engine', 'model', 'parameters (M)', 'GMAC', 'mean AP', 'FPS', 'ratio [95 % interval]', 'front']
    return Table('Speed and accuracy; *: no other is as good in both and better in one', columns, rows, frozenset(sections))


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
