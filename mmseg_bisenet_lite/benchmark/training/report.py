"""The tables of the training benchmark."""

import statistics
from collections.abc import Iterator

from mmseg_bisenet_lite.benchmark.measure import speed_ratio, summarise
from mmseg_bisenet_lite.benchmark.training.results import Results
from mmseg_bisenet_lite.benchmark.training.step import PARTS
from mmseg_bisenet_lite.utils.tables import Table

# Fewer workers are as good as more if they come within this share of the best.
AS_GOOD = 0.03


def report(results: Results) -> tuple[list[Table], list[str]]:
    """All tables and the lines that explain them."""
    tables = [*_loader(results), *_step(results), *_split(results), *_iterations(results)]
    return tables, list(_explanations(results))


def _loader(results: Results) -> Iterator[Table]:
    batch = results.settings['batch']
    for name, rounds in results.loader.items():
        rows = []
        for who, times in rounds.items():
            summary = summarise(times)
            speedup = '1' if who == 'mmseg' else str(speed_ratio(rounds['mmseg'], times))
            per_image = summary.median / batch
            rows.append(
                [who, f'{per_image * 1e3:.1f}', f'{1 / per_image:.1f}', speedup, f'{summary.spread:.1%}', str(len(times))]
            )
        columns = ['loader', 'ms an image', 'images/s of a core', 'speedup [95 %]', 'spread', 'rounds']
        yield Table(f'loader, {name}, crops of {results.settings["loader_crop"]}', columns, rows)


def _step(results: Results) -> Iterator[Table]:
    if not results.step:
        return
    rows = []
    for who, times in results.step.items():
        summary = summarise(times)
        speedup = '1' if who == 'mmseg' else str(speed_ratio(results.step['mmseg'], times))
        images = results.settings['batch'] / summary.median
        cells = [who, f'{summary.median * 1e3:.1f}', f'{1 / summary.median:.2f}', f'{images:.1f}']
        rows.append([*cells, speedup, f'{summary.spread:.1%}', str(len(times))])
    columns = ['step', 'ms', 'steps/s', 'images/s', 'speedup [95 %]', 'spread', 'rounds']
    yield Table(f'step, batch {results.settings["batch"]} of {results.settings["crop"]}', columns, rows)


def _split(results: Results) -> Iterator[Table]:
    if not results.split:
        return
    rows = []
    for who, steps in results.split.items():
        medians = [statistics.median(step[part] for step in steps) for part in PARTS]
        rows.append([who, *(f'{seconds * 1e3:.1f}' for seconds in (*medians, sum(medians)))])
    yield Table('where the time of a step goes, ms', ['step', *PARTS, 'together'], rows)


def _iterations(results: Results) -> Iterator[Table]:
    if not results.iterations:
        return
    rows = []
    for who, by_workers in results.iterations.items():
        best = best_workers(by_workers)
        for workers, found in by_workers.items():
            waited, stepped = (statistics.mean(part) for part in zip(*found, strict=True))
            rate = 1 / (waited + stepped)
            cells = [
                who,
                f'{workers}{" *" if workers == best else ""}',
                f'{rate:.2f}',
                f'{rate * results.settings["batch"]:.1f}',
            ]
            rows.append([*cells, f'{stepped * 1e3:.1f}', f'{waited * 1e3:.1f}', f'{waited * rate:.1%}'])
    columns = ['iteration', 'workers', 'iterations/s', 'images/s', 'ms in the step', 'ms waiting for data', 'waiting']
    yield Table('whole iterations', columns, rows)


def best_workers(by_workers: dict[int, list[tuple[float, float]]]) -> int:
    """The fewest workers with which iterations are as fast as with any other number, within ``AS_GOOD``."""
    seconds = {workers: statistics.mean(map(sum, found)) for workers, found in by_workers.items()}
    return min(workers for workers, mean in seconds.items() if mean <= min(seconds.values()) * (1 + AS_GOOD))


def _explanations(results: Results) -> Iterator[str]:
    e = results.environment
    libraries = ('torch', 'mmsegmentation', 'onedl-mmsegmentation', 'opencv-python', 'opencv-python-headless')
    versions = [f'{name} {e[name]}' for name in libraries if e.get(name)] + [f'kornia-rs {e["kornia-rs"] or "not installed"}']
    where = [e['device'], f'{e["cores"]} cores, {e["threads"]} threads', e['cpu_capability'], *versions]
    yield f'{results.settings["config"]} on {", ".join(where)}, commit {e["commit"] or "none"}.'
    yield (
        "mmseg: the same files, labels and draws with MMSegmentation's own loaders and transforms, and its plain OptimWrapper; "
        'its 19 classes need no mapping to two. Each round gives every candidate a turn, there and back; all load the same '
        'samples. speedup: the median ratio of a round, and the interval that holds it at 95 %.'
    )
    if results.step:
        yield 'Both steps live in processes of their own. Between the parts of a step the device is waited for.'
    if results.iterations:
        yield f'* the fewest workers that come within {AS_GOOD:.0%} of the fastest. Iterations are not interleaved.'
