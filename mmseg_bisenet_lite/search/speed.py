"""Times the candidates of a search side by side, in the runtimes of a robot."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from mmseg_bisenet_lite.benchmark.environment import environment
from mmseg_bisenet_lite.benchmark.inference import (
    RUNTIMES,
    BenchmarkConfig,
    Results,
    benchmark,
    check_sizes,
    load,
    load_models,
    settings_of,
)
from mmseg_bisenet_lite.export import ExportConfig, export
from mmseg_bisenet_lite.models.frame_to_mask import FrameToMask
from mmseg_bisenet_lite.pretrained import sha256_of
from mmseg_bisenet_lite.reproduce.training import Training
from mmseg_bisenet_lite.search.config import SearchConfig
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.files import alone_in
from mmseg_bisenet_lite.utils.library import require

SPEED = 'speed.json'


def check_ways(search: SearchConfig) -> None:
    """Raise an :class:`InputError` if a runtime or a precision cannot be timed here, or the kept speeds cannot be read."""
    if {*search.precision} == {'int8'}:
        raise InputError('--precision int8: give fp32 too, with which int8 is compared')
    settings_of(_config(search))
    if 'int8' in search.precision:
        require('nncf', 'nncf')
    _kept(search)


def check_networks(search: SearchConfig, files: Mapping[str, Path]) -> None:
    """Check, before anything is trained, that the networks can be timed.

    Args:
        search: The options.
        files: Config of each candidate.

    Raises:
        InputError: A network cannot be exported, or does not take the size.
    """
    models = load_models([str(file) for file in files.values()], [], [])
    for model in models:
        with as_input_error(f'{model.name}: cannot be exported', InputError):
            FrameToMask(model.segmentor)
    check_sizes(models, [search.size], '--size')


def time_all(
    search: SearchConfig, files: Mapping[str, Path], trainings: Mapping[str, Training], progress: ReportProgress
) -> tuple[Results, list[str]]:
    """Time all candidates in one run; a run of the same weights in the same environment is read from the folder.

    Speeds are ratios within one run, so another candidate has all of them timed again.

    Args:
        search: The options.
        files: Config of each candidate.
        trainings: A finished training of each candidate to time.
        progress: Called with the current step and the share that is done.

    Returns:
        The results, and a line for each int8 file that could not be made.

    Raises:
        InputError: A network cannot be exported, or another process times in the folder.
    """
    with alone_in(search.out, 'speed.lock', 'timing'):
        weights = {name: sha256_of(str(training.checkpoint)) for name, training in trainings.items()}
        int8, failed = _int8_files(search, trainings, weights, progress) if 'int8' in search.precision else ([], [])
        asked = {
            'candidates': [list(each) for each in weights.items()],
            'int8': [str(file.relative_to(search.out)) for file in int8],
            'options': [list(search.engine), list(search.precision), list(search.size), search.threads, search.seconds],
        }
        here = {**environment(torch.device('cpu')), 'threads': search.threads or torch.get_num_threads()}
        earlier = _kept(search)
        if earlier and (earlier.settings.get('search'), earlier.environment) == (asked, here):
            return earlier, failed
        config = replace(
            _config(search),
            configs=[str(files[name]) for name in trainings],
            checkpoint=[str(training.checkpoint) for training in trainings.values()],
            exported=[str(file) for file in int8],
        )
        (results,) = benchmark(config, progress)
        results.settings['search'] = asked
        results.save(search.out / SPEED)
    return results, failed


def _config(search: SearchConfig) -> BenchmarkConfig:
    """Return the options of the benchmark, but for the networks."""
    return BenchmarkConfig(
        sizes=[search.size],
        scope=['frame'],
        precision=[each for each in search.precision if each != 'int8'],
        engine=search.engine,
        device='cpu',
        threads=search.threads,
        seconds=search.seconds,
    )


def _kept(search: SearchConfig) -> Results | None:
    """Return the speeds of an earlier search in the folder."""
    file = search.out / SPEED
    if not file.is_file():
        return None
    with as_input_error(f'{file}: not a result of tools/search.py; delete it and run again', InputError):
        return load(file)


def _int8_files(
    search: SearchConfig, trainings: Mapping[str, Training], weights: Mapping[str, str], progress: ReportProgress
) -> tuple[list[Path], list[str]]:
    """Export each candidate in int8 for each runtime, calibrated on the drive that it has learned; keep earlier files."""
    files, failed = [], []
    for name, training in trainings.items():
        config = ExportConfig(
            config=str(training.folder / 'config.py'),
            checkpoint=str(training.checkpoint),
            out=training.folder / f'int8-{weights[name][:8]}',  # other weights have files of their own
            size=search.size,
            format=[RUNTIMES[engine].format for engine in search.engine],
            precision=['int8'],
        )
        wanted = [config.out / config.file_name(format, 'int8') for format in config.format]
        missing = [format for format, file in zip(config.format, wanted, strict=True) if not file.is_file()]
        if missing:
            results = export(replace(config, format=missing), progress)
            failed += [f'{name}, int8, {each.file.suffix}: not timed: {each.failure}' for each in results if each.failure]
        files += [file for file in wanted if file.is_file()]
    return files, failed
