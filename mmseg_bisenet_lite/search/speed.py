"""Times the candidates of a search side by side, in the runtimes of a robot."""

from collections.abc import Sequence
from pathlib import Path

import torch

from mmseg_bisenet_lite.benchmark.inference import RUNTIMES, BenchmarkConfig, Results, benchmark, load_all
from mmseg_bisenet_lite.benchmark.inference.candidates import Settings
from mmseg_bisenet_lite.benchmark.inference.runner import prepare
from mmseg_bisenet_lite.export import ExportConfig, export
from mmseg_bisenet_lite.reproduce.training import Training
from mmseg_bisenet_lite.search.candidates import Candidate
from mmseg_bisenet_lite.search.config import SearchConfig
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require

SPEED = 'speed.json'


def check_ways(search: SearchConfig) -> None:
    """Raise an :class:`InputError` if a runtime or a precision cannot be timed here, before anything is trained."""
    precisions = [each for each in search.precision if each != 'int8']
    if not precisions:
        raise InputError('--precision int8: give fp32 too, with which int8 is compared')
    device = torch.device('cpu')
    prepare(Settings(device=device, scopes=('frame',), engines=search.engine, precisions=precisions), search.threads)
    if 'int8' in search.precision:
        require('nncf', 'nncf')


def time_all(
    search: SearchConfig, candidates: Sequence[Candidate], trainings: Sequence[Training], progress: ReportProgress
) -> tuple[Results, list[str]]:
    """Time all candidates in one run; a run of the same ones with the same options is read from the folder.

    Speeds are ratios within one run, so another candidate has all of them timed again.

    Args:
        search: The options.
        candidates: The candidates.
        trainings: A finished training of each.
        progress: Called with the current step and the share that is done.

    Returns:
        The results, and a line for each int8 file that could not be made.
    """
    files, failed = _int8_files(search, candidates, trainings, progress) if 'int8' in search.precision else ([], [])
    options = {
        'candidates': {each.name: training.digest for each, training in zip(candidates, trainings, strict=True)},
        'int8': [str(file.relative_to(search.out)) for file in files],
        'asked': [list(search.engine), list(search.precision), list(search.size), search.threads, search.seconds],
    }
    kept = search.out / SPEED
    if kept.is_file() and (earlier := load_all([kept], {})[kept.stem]).settings.get('search') == options:
        return earlier, failed
    config = BenchmarkConfig(
        configs=[each.file for each in candidates],
        checkpoint=[str(training.checkpoint) for training in trainings],
        exported=[str(file) for file in files],
        sizes=[search.size],
        scope=['frame'],
        precision=[each for each in search.precision if each != 'int8'],
        engine=search.engine,
        device='cpu',
        threads=search.threads,
        seconds=search.seconds,
    )
    (results,) = benchmark(config, progress)
    results.settings['search'] = options
    results.save(kept)
    return results, failed


def _int8_files(
    search: SearchConfig, candidates: Sequence[Candidate], trainings: Sequence[Training], progress: ReportProgress
) -> tuple[list[Path], list[str]]:
    """Export each candidate in int8 for each runtime, calibrated on the drive that it has learned; keep earlier files."""
    files, failed = [], []
    for candidate, training in zip(candidates, trainings, strict=True):
        config = ExportConfig(
            config=str(training.folder / 'config.py'),
            checkpoint=str(training.checkpoint),
            out=training.folder / 'int8',
            size=search.size,
            format=[RUNTIMES[engine].format for engine in search.engine],
            precision=['int8'],
        )
        wanted = [config.out / config.file_name(format, 'int8') for format in config.format]
        if not all(file.is_file() for file in wanted):
            for result in export(config, progress):
                if result.failure is not None:
                    failed.append(f'{candidate.name}, int8, {result.file.suffix}: not timed: {result.failure}')
        files += [file for file in wanted if file.is_file()]
    return files, failed
