"""Tables and lines of a check, for the terminal."""

from mmseg_bisenet_lite.dataset_check.results import LEVELS, QUANTILES, CheckResult
from mmseg_bisenet_lite.utils.tables import Table

_NAMED = 3  # findings of a kind that are named; all are in the files


def report(result: CheckResult) -> tuple[list[Table], list[str]]:
    """Return the tables and the lines that explain them."""
    return [_splits(result), _findings(result)], [*_lines(result), *result.statements]


def _percent(share: float | None) -> str:
    return '-' if share is None else f'{100 * share:.2f}'


def _splits(result: CheckResult) -> Table:
    counts = result.counts()
    rows = [
        [
            split.name,
            str(split.photographs),
            str(split.masks),
            '-' if split.sequences is None else str(split.sequences),
            _percent(split.foreground),
            *(map(_percent, split.quantiles) if split.quantiles else ['-'] * len(QUANTILES)),
            str(counts['no foreground', split.name]),
            str(counts['all foreground', split.name]),
        ]
        for split in result.splits
    ]
    columns = ['split', 'photographs', 'masks', 'sequences', 'foreground', *QUANTILES.values(), 'none', 'all']
    title = 'Splits; foreground: % of labelled pixels, overall and by mask; none, all: masks with none, or without background'
    return Table(title, columns, rows)


def _findings(result: CheckResult) -> Table:
    counts, names = result.counts(), [split.name for split in result.splits]
    rows = [
        [kind, level, *(str(counts[kind, name]) for name in names)]
        for kind, level in LEVELS.items()
        if any(counts[kind, name] for name in names)
    ]
    return Table('Findings', ['finding', 'level', *names], rows or [['none', '-', *['0'] * len(names)]])


def _lines(result: CheckResult) -> list[str]:
    """Name the first findings of each kind; near-duplicates of one split are only counted, since videos are full of them."""
    lines = []
    for kind, level in LEVELS.items():
        found = [finding for finding in result.findings if finding.kind == kind]
        if kind in ('near-duplicate', 'same recording across splits'):
            continue
        lines += [f'{level}: {finding.split}: {finding.detail}' for finding in found[:_NAMED]]
        if len(found) > _NAMED:
            lines.append(f'{level}: {len(found) - _NAMED} more: {kind}')
    return lines
