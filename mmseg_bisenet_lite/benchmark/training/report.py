"""The tables of the training benchmark."""

import statistics
from collections.abc import Iterator

from mmseg_bisenet_lite.benchmark.measure import speed_ratio, summarise
from mmseg_bisenet_lite.benchmark.training.results import Results
from mmseg_bisenet_lite.benchmark.training.step import PARTS
from mmseg_bisenet_lite.utils.tables import Table

# A number of workers is as good as the best if its time is within this share of the best.
AS_GOOD = 0.03


def report(results: Results) -> tuple[list[Table], list[str]]:
    """Return all tables and the lines that explain them."""
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
        columns = ['loader', 'ms/image', 'images/s per core', 'speedup [95 %]', 'spread', 'rounds']
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
    yield Table('time of each part of a step, ms', ['step', *PARTS, 'total'], rows)


def _iterations(results: Results) -> Iterator[Table]:
    if not results.iterations:
        return
    rows = []
    for who, by_workers in results.iterations.items():
        best = best_workers(by_workers)
        for workers, times in by_workers.items():
            waited, stepped = (statistics.mean(part) for part in zip(*times, strict=True))
            rate = 1 / (waited + stepped)
            cells = [
                who,
                f'{workers}{" *" if workers == best else ""}',
                f'{rate:.2f}',
                f'{rate * results.settings["batch"]:.1f}',
            ]
            rows.append([*cells, f'{stepped * 1e3:.1f}', f'{waited * 1e3:.1f}', f'{waited * rate:.1%}'])
    columns = ['iteration', 'workers', 'iterations/s', 'images/s', 'step, ms', 'data wait, ms', 'data wait, share']
    yield Table('whole iterations', columns, rows)


def best_workers(by_workers: dict[int, list[tuple[float, float]]]) -> int:
    """Return the smallest number of workers whose iterations are within ``AS_GOOD`` of the fastest.

    Args:
        by_workers: (seconds of waiting for the batch, seconds of the step) of each iteration, by number of workers.
    """
    seconds = {workers: statistics.mean(map(sum, times)) for workers, times in by_workers.items()}
    return min(workers for workers, mean in seconds.items() if mean <= min(seconds.values()) * (1 + AS_GOOD))


def _explanations(results: Results) -> Iterator[str]:
    e = results.environment
    libraries = ('torch', 'mmsegmentation', 'onedl-mmsegmentation', 'opencv-python', 'opencv-python-headless')
    versions = [f'{name} {e[name]}' for name in libraries if e.get(name)] + [f'kornia-rs {e["kornia-rs"] or "not installed"}']
    where = [e['device'], f'{e["cores"]} cores, {e["threads"]} threads', e['cpu_capability'], *versions]
    yield f'{results.settings["config"]} on {", ".join(where)}, commit {e["commit"] or "none"}.'
    yield (
        "mmseg: MMSegmentation's own loaders, transforms and OptimWrapper, on the same files, labels and draws; with "
        'its 19 classes it does not map labels to two. Each round times every candidate once on the same samples, every other '
        'round in reverse. speedup: speed relative to mmseg, the median over the rounds with its 95 % confidence interval.'
    )
    if results.settings.get('foreground_crops_left_out'):
        yield 'Crops fall anywhere here: foreground_prob of the config has no counterpart in MMSegmentation.'
    if results.step:
        yield 'Each of the two steps runs in its own process. The device is synchronised between the parts of a step.'
    if results.iterations:
        yield f'* the fewest workers within {AS_GOOD:.0%} of the fastest. The iterations of mmseg and ours are not interleaved.'
