"""The check: read all files in parallel, look for duplicates, write findings and contact sheets."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from mmseg_bisenet_lite.dataset_check import duplicates, recordings, statements
from mmseg_bisenet_lite.dataset_check.config import CheckConfig
from mmseg_bisenet_lite.dataset_check.files import Record, examine
from mmseg_bisenet_lite.dataset_check.results import QUANTILES, CheckResult, Finding, SplitResult
from mmseg_bisenet_lite.dataset_check.sheet import chosen, draw
from mmseg_bisenet_lite.dataset_check.similar import perceptual_hash
from mmseg_bisenet_lite.dataset_check.splits import Split, splits_of
from mmseg_bisenet_lite.datasets.label_maps import ValueTally
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import write_image

_In = TypeVar('_In')
_Out = TypeVar('_Out')
Evidence = tuple[Finding, Record, Record]  # a finding about two photographs
_READ = 0.8  # share of the time for reading
# Kinds of pairs on a contact sheet, the worst first.
_WORTH_A_LOOK = (
    'duplicate with another mask',
    'duplicate across splits',
    'near-duplicate across splits',
    'same recording across splits',
    'duplicate',
)


def check_dataset(config: CheckConfig, show: ReportProgress = lambda what, done: None) -> tuple[CheckResult, list[str]]:
    """Check the data sets of a config or a folder.

    Args:
        config: What to check.
        show: Called with the current work and the share that is done.

    Returns:
        What was found, and the names of the files written to ``config.out``.

    Raises:
        InputError: There is no such config or folder, it has no data sets, or ImageHash is missing.
    """
    try:
        perceptual = perceptual_hash() if config.similar else None
    except InputError as error:
        raise InputError(f'{error.line}, or leave out what needs it with --no-similar') from error
    show('listing files', 0.0)
    splits = splits_of(config.source)
    if config.out is not None:
        config.out.mkdir(parents=True, exist_ok=True)
    names = [split.name for split in splits]
    parts = [(number, part) for number, split in enumerate(splits) for part in split.parts]
    work = [(part, info, number, names[number], perceptual) for number, part in parts for info in part.infos]
    records = []
    with ThreadPoolExecutor(config.workers) as pool:
        for done, (record, label) in enumerate(ahead(pool, lambda each: examine(*each), work, 4 * config.workers), 1):
            records.append(record)
            if label is not None:
                record.part.tally.add(label)
            show(f'reading {done} of {len(work)}', _READ * done / len(work))
        result = CheckResult(str(config.source), [SplitResult(name) for name in names], [], [])
        for number, split in enumerate(splits):
            _sum_up(split, [record for record in records if record.split == number], result.splits[number])
        evidence = list(duplicates.identical(records, names))
        if config.similar:
            show('comparing photographs', _READ)
            evidence += _similar(pool, records, evidence, result, show)
    loose = [finding for split in splits for finding in split.findings]
    result.findings = [*loose, *(f for record in records for f in record.findings), *(finding for finding, *_ in evidence)]
    written = [] if config.out is None else result.save(config.out)
    for number, name in enumerate(names if config.out else []):
        show(f'contact sheet of {name}', 0.95)
        own = [record for record in records if record.split == number]
        written += _sheet(config, name, own, [each for each in evidence if each[1].split == number])
    return result, written


def ahead(pool: ThreadPoolExecutor, function: Callable[[_In], _Out], items: Iterable[_In], most: int) -> Iterator[_Out]:
    """Yield the results in order, with at most ``most`` of them under way, so that memory does not grow with their number."""
    under_way: deque[Future[_Out]] = deque()
    source = iter(items)
    try:
        while True:
            under_way.extend(pool.submit(function, item) for item in itertools.islice(source, most - len(under_way)))
            if not under_way:
                return
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()


def _sum_up(split: Split, records: list[Record], result: SplitResult) -> None:
    """Fill in what a split holds, and add findings about the split as a whole."""
    result.datasets = sorted({part.kind for part in split.parts})
    result.photographs = sum(record.digest is not None for record in records)
    result.masks = sum(record.mask_digest is not None for record in records)
    shares = [record.share for record in records if record.share is not None]
    if shares:
        background, foreground = (sum(record.pixels[k] for record in records if record.pixels) for k in (0, 1))
        result.foreground = foreground / (background + foreground)
        result.quantiles = np.quantile(shares, [*QUANTILES]).tolist()
    tallies: dict[tuple[Any, ...], ValueTally] = {}  # parts of one meaning are judged together, as they are learned
    for number, tally in enumerate(part.tally for part in split.parts):
        key = (*tally.classes, tally.ignored, number if tally.white else None)
        tallies[key] = tallies[key].plus(tally) if key in tallies else tally
    for tally in tallies.values():
        if problem := tally.problem(split.name):
            kind = 'masks of 0 and 255' if {value for value, *_ in tally.files} == {0, 255} else 'class without a pixel'
            split.findings.append(Finding(kind, split.name, '', problem))


def _similar(
    pool: ThreadPoolExecutor, records: list[Record], twins: list[Evidence], result: CheckResult, show: ReportProgress
) -> list[Evidence]:
    """Look for photographs that are nearly the same, and for splits of one recording; add statements to the result."""
    names = [split.name for split in result.splits]
    known, found = duplicates.hashed(records, len(names))
    evidence = list(duplicates.near(known, found, names))
    for number, split in enumerate(result.splits):
        split.sequences = found.sequences[number]
        result.statements += statements.about_sequences(split)
        own = [record for record in known if record.split == number]
        for before, earlier in enumerate(result.splits[:number]):
            others = [record for record in known if record.split == before]
            both = [f for f, a, b in (*twins, *evidence) if (a.split, b.split) == (number, before) and 'across' in f.kind]
            result.statements += statements.about_duplicates(both, split, earlier, min(len(own), len(others)))
            show(f'comparing {split.name} with {earlier.name}', _READ + 0.1)
            compared = _compared(pool, own, others)
            result.statements += statements.about_recordings(compared, split, earlier)
            if 'flatters' in ''.join(result.statements[-1:]):
                evidence += duplicates.same_place(compared, names, recordings.ENOUGH)
    return evidence


def _compared(pool: ThreadPoolExecutor, own: list[Record], others: list[Record]) -> list[recordings.Comparison]:
    if not own or not others:
        return []
    candidates, random = recordings.Candidates(others), np.random.default_rng(0)
    chosen_ones = [(record, others[random.integers(len(others))]) for record in recordings.sample(own)]
    return list(ahead(pool, lambda each: recordings.compare(each[0], candidates, each[1]), chosen_ones, len(chosen_ones)))


def _sheet(config: CheckConfig, name: str, records: list[Record], evidence: list[Evidence]) -> list[str]:
    """Write the contact sheet of a split; return its name, or nothing if there is nothing to show."""
    pairs = [(kind, one, other) for kind in _WORTH_A_LOOK for finding, one, other in evidence if finding.kind == kind]
    cells = chosen(records, pairs)
    if not cells or config.out is None:
        return []
    file = config.out / f'{name.replace(", ", "-")}.jpg'
    write_image(file, draw(cells))
    return [file.name]
