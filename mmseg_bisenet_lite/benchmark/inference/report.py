"""Tables of the results, for the terminal and for Markdown."""

import math
from collections.abc import Iterable
from itertools import groupby

from mmseg_bisenet_lite.benchmark.inference import paper
from mmseg_bisenet_lite.benchmark.inference.results import METRIC, Results, Row
from mmseg_bisenet_lite.utils.sizes import size_text
from mmseg_bisenet_lite.utils.tables import Table


def report(runs: dict[str, Results], metric: str = METRIC) -> tuple[list[Table], list[str]]:
    """Return all tables and the lines that explain them.

    Args:
        runs: Results by name.
        metric: Name of the accuracies.
    """
    tables: list[Table] = []
    for name, results in runs.items():
        prefix = f'{name}: ' if len(runs) > 1 else ''
        tables += [*_speed(results, prefix), _work(results, prefix, metric)]
    if len(runs) > 1:
        tables.append(_side_by_side(runs))
    tables += _papers_tables(runs)
    return tables, list(_explanations(runs))


def _number(value: float, digits: int = 3) -> str:
    """Format a number with some significant digits, without an exponent."""
    if not value:
        return '0'
    return f'{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}'


def _speed(results: Results, prefix: str) -> list[Table]:
    """Return a table of speeds for each scope."""
    tables = []
    by_scope = sorted(results.groups(), key=lambda group: results.settings['scopes'].index(group[0].scope))
    for scope, groups in groupby(by_scope, key=lambda group: group[0].scope):
        rows: list[list[str]] = []
        sections = set()
        for group in groups:
            sections.add(len(rows))
            rows += [_speed_cells(row, group[0]) for row in group]
        columns = ['size', 'model', 'engine', 'precision', 'FPS', 'speedup [95 %]', 'ms', 'p90', 'p99', 'spread', 'calls']
        tables.append(Table(f'{prefix}speed, {scope}', columns, rows, frozenset(sections)))
    return tables


def _speed_cells(row: Row, reference: Row) -> list[str]:
    summary = row.summary
    return [
        size_text(row.size),
        row.model if row.settled else f'{row.model} *',
        row.engine,
        row.precision,
        _number(row.fps),
        '1' if row is reference else str(row.speed_ratio(reference)),
        *(_number(seconds * 1e3) for seconds in (summary.median, summary.p90, summary.p99)),
        f'{summary.spread:.1%}',
        str(summary.repetitions),
    ]


def _work(results: Results, prefix: str, metric: str) -> Table:
    """Return the table of operations, shares of the device limits, memory, energy and accuracy."""
    columns = [
        'size',
        'model',
        'engine',
        'precision',
        'scope',
        'M params',
        'GMAC',
        'GFLOP/s',
        'of peak',
        'of roofline',
        'MiB',
        'changed',
    ]
    energy = any(row.energy for row in results.rows)
    accuracy = any(row.accuracy is not None for row in results.rows)
    columns += ['mJ/image', 'W'] * energy + [metric] * accuracy
    rows: list[list[str]] = []
    sections = set()
    for group in results.groups():
        sections.add(len(rows))
        for row in group:
            flops = results.flops(row)
            cells = [
                size_text(row.size),
                row.model,
                row.engine,
                row.precision,
                row.scope,
                f'{row.parameters / 1e6:.2f}',
                f'{row.macs / 1e9:.2f}',
            ]
            peak, share = results.ceilings.flops.get(row.precision), results.share_of_roofline(row)
            cells += [_number(flops / 1e9), f'{flops / peak:.0%}' if peak else '-', '-' if share is None else f'{share:.0%}']
            cells.append(f'{row.peak_bytes / 2**20:.0f}' if row.peak_bytes else '-')
            cells.append(f'{row.changed:.2%}')
            if energy:
                cells += [_number(row.energy.joules / row.batch * 1e3), _number(row.energy.watts)] if row.energy else ['-'] * 2
            if accuracy:
                cells.append('-' if row.accuracy is None else f'{row.accuracy:.2f}')
            rows.append(cells)
    return Table(f'{prefix}compute and memory', columns, rows, frozenset(sections))


def _side_by_side(runs: dict[str, Results]) -> Table:
    """Return the table of FPS with a column for each run."""

    def key_of(row: Row) -> tuple[tuple[int, int], str, str, str, str]:
        return row.size, row.model, row.engine, row.precision, row.scope

    rows = []
    for key in dict.fromkeys(key_of(row) for results in runs.values() for row in results.rows):
        cells = [size_text(key[0]), *key[1:]]
        for results in runs.values():
            speeds = [row.fps for row in results.rows if key_of(row) == key]
            cells.append(_number(speeds[0]) if speeds else '-')
        rows.append(cells)
    return Table('FPS of the runs', ['size', 'model', 'engine', 'precision', 'scope', *runs], rows)


def _papers_tables(runs: dict[str, Results]) -> list[Table]:
    """Return the tables of the paper's two networks in its scope, with the paper's ratios."""
    tables = []
    for way in dict.fromkeys(way for results in runs.values() for way in results.pairs()):
        pairs = {name: results.pairs().get(way, []) for name, results in runs.items()}
        names = {'r18': '', 'lite': ''}
        cells: dict[tuple[int, int], list[str]] = {}
        for size in dict.fromkeys(r18.size for run_pairs in pairs.values() for r18, _ in run_pairs):
            cells[size] = [size_text(size)]
            for run_pairs in pairs.values():
                here = next(((r18, lite) for r18, lite in run_pairs if r18.size == size), None)
                cells[size] += _pair_cells(here) if here else ['-'] * 3
                names |= {'r18': here[0].model, 'lite': here[1].model} if here else {}
            ratios = (paper.ratio(device, size) for device in paper.SPEEDS)
            cells[size] += ['-' if ratio is None else f'{ratio:.2f}' for ratio in ratios]
        columns = ['size']
        for name in runs:
            suffix = f' ({name})' if len(runs) > 1 else ''
            columns += [f'ResNet-18{suffix}', f'lite{suffix}', f'ratio [95 %]{suffix}']
        columns += list(paper.SPEEDS)
        title = f"the paper's table, {way}: FPS of {names['r18']} and {names['lite']}; the last columns are the paper's ratios"
        tables.append(Table(title, columns, list(cells.values())))
    return tables


def _pair_cells(pair: tuple[Row, Row]) -> list[str]:
    r18, lite = pair
    return [_number(r18.fps), _number(lite.fps), str(lite.speed_ratio(r18))]


def _explanations(runs: dict[str, Results]) -> Iterable[str]:
    for name, results in runs.items():
        yield (f'{name}: ' if len(runs) > 1 else '') + _where(results)
        products = [f'{_number(flops / 1e9)} GFLOP/s in {precision}' for precision, flops in results.ceilings.flops.items()]
        copy = f'{_number(results.ceilings.bandwidth / 1e9)} GB/s'
        yield f'Device limits in this run: {", ".join(products)} (large matrix product), {copy} (large copy).'
        unsettled = [row for row in results.rows if not row.settled]
        if unsettled:
            yield f'* {len(unsettled)} row(s): the times had not settled by the end of the warm-up.'
        if any(row.checkpoint is None for row in results.rows):
            yield (
                'Models without a checkpoint run with their initial weights. Their speed is the same, but more pixels change, '
                'since the scores are close to each other.'
            )
        yield from results.notes
    yield (
        'speedup: speed relative to the first row of the same size and scope, the median over the rounds with its 95 % '
        'confidence interval. Compare ratios only within one run. p99: of fewer than 100 calls, the longest.'
    )
    yield (
        "of peak: GFLOP/s, counted for direct convolution, as a share of the large matrix product's. of roofline: the least "
        'possible time, with each operator (compiled: each convolution) at one of the two device limits, as a share of the '
        'median time. Caches and faster algorithms can exceed 100 % of both. MiB: weights, and the tensors alive at the same '
        'time. changed: pixels whose class differs from eager fp32.'
    )


def _where(results: Results) -> str:
    e, s = results.environment, results.settings
    options = [name for name in ('fuse', 'cuda-graph') if s.get(name.replace('-', '_'))]
    versions = [f'{key} {e[key]}' for key in ('torch', 'cuda', 'mmsegmentation', 'onedl-mmsegmentation') if e.get(key)]
    cpu = [f'{e["threads"]} threads', e['cpu_capability']] if e['device_type'] == 'cpu' else []
    memory = [f'freed memory {"kept" if s["keep_memory"] else "returned to the system"}'] if e['device_type'] == 'cpu' else []
    autotuning = ['cuDNN autotuning'] if e.get('cudnn_benchmark') else []
    return (
        ', '.join(
            [
                e['device'],
                *cpu,
                *versions,
                *autotuning,
                *memory,
                f'batch {s["batch"]}',
                *options,
                f'commit {e["commit"] or "none"}',
            ]
        )
        + '.'
    )
