"""The whole training benchmark."""

import functools
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from mmengine.config import Config
from mmseg.utils import register_all_modules

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.benchmark.devices import find_device, usable_cores
from mmseg_bisenet_lite.benchmark.environment import environment
from mmseg_bisenet_lite.benchmark.measure import HostClock, measure
from mmseg_bisenet_lite.benchmark.training.config import TrainingBenchmarkConfig
from mmseg_bisenet_lite.benchmark.training.loader import loaders, one_core
from mmseg_bisenet_lite.benchmark.training.results import Results
from mmseg_bisenet_lite.benchmark.training.step import apart, iterate, split, step
from mmseg_bisenet_lite.pretrained.loading import read_config
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error

# What a step is timed on where there is only a CPU: batches of larger images take minutes there. (width, height)
CPU_CROP = (320, 240)

SPLIT_STEPS = 6


class _ApartClock(HostClock):
    """The clock of calls that time themselves, elsewhere."""

    def time(self, call: Callable[[], float]) -> float:
        """What the call says."""
        return call()


def run(wanted: TrainingBenchmarkConfig, progress: ReportProgress = lambda what, share: None) -> Results:
    """Time what is ordered.

    Raises:
        InputError: The config is no training's, its data are missing, or there is too little memory.
    """
    register_all_modules()
    config = read_config(wanted.config)
    with as_input_error(
        f'--cfg-options: they do not fit {wanted.config}; check the keys', KeyError, TypeError, IndexError, AttributeError
    ):
        config.merge_from_dict(dict(wanted.cfg_options))
    for key in ('train_dataloader', 'optim_wrapper'):
        if key not in config:
            raise InputError(f'{wanted.config}: has no {key}; give the config of a training')
    batch = wanted.batch or config.train_dataloader.batch_size
    config.train_dataloader.batch_size = batch
    device = find_device(wanted.device)
    if wanted.threads:
        torch.set_num_threads(wanted.threads)
    libraries = {name: compat.version(name) for name in ('kornia-rs', 'opencv-python', 'opencv-python-headless')}
    where = {**environment(device), **libraries}
    results = Results(where, dict(config=wanted.config, options=dict(wanted.cfg_options), batch=batch))
    results.settings['loader_crop'] = _crop_of(config)
    if 'loader' in wanted.part:
        _time_loaders(results, config, wanted, batch, progress)
    if 'step' in wanted.part or 'iteration' in wanted.part:
        crop = wanted.crop or (CPU_CROP if device.type == 'cpu' else None)
        if crop is not None:
            config = with_crop(config, crop)
        results.settings['crop'] = _crop_of(config)
        _time_steps(results, config, wanted, device, progress)
    return results


def _time_loaders(
    results: Results, config: Config, wanted: TrainingBenchmarkConfig, batch: int, progress: ReportProgress
) -> None:
    for name, calls in loaders(config, batch, wanted.cache_dir).items():
        with one_core():
            if wanted.cache_dir is not None:  # full before it counts
                for number in range(math.ceil(len(calls['ours, cached'].data) / batch)):
                    progress('filling the cache', number * batch / len(calls['ours, cached'].data))
                    calls['ours, cached']()
                calls['ours, cached'].number = 0
            what = f'timing loaders, {name}'
            one_batch_a_turn = replace(wanted.plan, turn_seconds=0.0)  # so that all load the same samples in a round
            timings = measure(list(calls.values()), HostClock(), one_batch_a_turn, functools.partial(progress, what))
        results.loader[name] = {who: timing.rounds for who, timing in zip(calls, timings, strict=True)}


def _time_steps(
    results: Results, config: Config, wanted: TrainingBenchmarkConfig, device: torch.device, progress: ReportProgress
) -> None:
    text = config.pretty_text
    progress('starting both trainings', 0.0)
    with (
        apart(text, True, str(device), wanted.threads) as stock,
        apart(text, False, str(device), wanted.threads) as ours,
    ):
        both = {'mmseg': stock, 'ours': ours}
        if 'step' in wanted.part:
            calls = [functools.partial(call, step) for call in both.values()]
            timings = measure(calls, _ApartClock(), wanted.plan, lambda share: progress('timing steps', share))
            results.step = {who: timing.rounds for who, timing in zip(both, timings, strict=True)}
            for who, call in both.items():
                progress(f'timing the parts of a step, {who}', 0.0)
                results.split[who] = call(split, SPLIT_STEPS)
        if 'iteration' in wanted.part:
            cores = usable_cores()
            tried = wanted.workers or [0, *(2**k for k in range(cores.bit_length()) if 2**k <= cores)]
            results.iterations = {who: {} for who in both}
            for number, workers in enumerate(tried):
                for who, call in both.items():
                    progress(f'timing iterations with {workers} worker(s), {who}', number / len(tried))
                    results.iterations[who][workers] = call(iterate, workers, wanted.plan.seconds / 2)


def with_crop(config: Config, crop: tuple[int, int]) -> Config:
    """A copy of a config that trains on crops of another size, (width, height).

    Raises:
        InputError: Its pipeline crops nothing.
    """
    config = Config(config.to_dict())
    steps = [each for each in config.train_dataloader.dataset.pipeline if 'crop_size' in each]
    if not steps:
        raise InputError(f'--crop {crop[0]}x{crop[1]}: no step of the train pipeline has a crop_size; add one to the config')
    for crop_step in steps:
        crop_step.crop_size = crop[::-1]
    if 'size' in config.model.get('data_preprocessor', {}):
        config.model.data_preprocessor.size = crop[::-1]
    return config


def _crop_of(config: Config) -> str:
    """``'WxH'`` of the crops of a pipeline."""
    sizes = [step['crop_size'] for step in config.train_dataloader.dataset.pipeline if 'crop_size' in step]
    return '{1}x{0}'.format(*sizes[0]) if sizes else 'the full size'
