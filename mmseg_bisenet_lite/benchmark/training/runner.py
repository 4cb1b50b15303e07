"""Runs the training benchmark."""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from mmengine.config import Config
from mmseg.registry import DATASETS
from mmseg.utils import register_all_modules

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.apis.cfg_options import merge_options
from mmseg_bisenet_lite.benchmark.devices import find_device
from mmseg_bisenet_lite.benchmark.environment import environment
from mmseg_bisenet_lite.benchmark.measure import HostClock, measure
from mmseg_bisenet_lite.benchmark.training.config import TrainingBenchmarkConfig
from mmseg_bisenet_lite.benchmark.training.loader import loaders, one_core
from mmseg_bisenet_lite.benchmark.training.results import Results
from mmseg_bisenet_lite.benchmark.training.step import apart, iterate, split, step
from mmseg_bisenet_lite.datasets.binary import BinarySegDataset
from mmseg_bisenet_lite.pretrained.loading import read_config
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.cpu import usable_cores
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.registry import class_of

# (width, height) in pixels of the images in a step on a CPU, where batches of larger images take minutes.
CPU_CROP = (320, 240)

# Number of steps in which the parts are timed.
SPLIT_STEPS = 6


class _ApartClock(HostClock):
    """A clock for calls that return their own time, taken in another process."""

    def time(self, call: Callable[[], float]) -> float:
        """Return the seconds that the call returns."""
        return call()


def run(config: TrainingBenchmarkConfig, progress: ReportProgress = lambda what, share: None) -> Iterator[Results]:
    """Run the training benchmark.

    Args:
        config: The options of the benchmark.
        progress: Called with the current step and the share that is done.

    Raises:
        InputError: The config is not that of a training, its data are missing, or there is too little memory.

    Yields:
        The results so far, after each part; the same object each time.
    """
    register_all_modules()
    train_config = read_config(config.config)
    merge_options(train_config, config.cfg_options, config.config)
    for key in ('train_dataloader', 'optim_wrapper'):
        if key not in train_config:
            raise InputError(f'{config.config}: has no {key}; give the config of a training')
    if 'pipeline' not in train_config.train_dataloader.dataset:
        raise InputError(
            f'{config.config}: train_dataloader.dataset is {train_config.train_dataloader.dataset.get("type")}, which has no '
            'pipeline; give the data set that it wraps'
        )
    _check_data(train_config, config.config)
    even = _without_foreground_crops(train_config)
    batch = config.batch or train_config.train_dataloader.batch_size
    train_config.train_dataloader.batch_size = batch
    device = find_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    libraries = {name: compat.version(name) for name in ('kornia-rs', 'opencv-python', 'opencv-python-headless')}
    where = {**environment(device), **libraries}
    results = Results(where, dict(config=config.config, options=dict(config.cfg_options), batch=batch))
    results.settings['loader_crop'] = _crop_of(train_config)
    results.settings['foreground_crops_left_out'] = even
    if 'loader' in config.part:
        yield from _time_loaders(results, train_config, config, batch, progress)
    if 'step' in config.part or 'iteration' in config.part:
        # Without a crop in the config, the images have their own size, on a CPU too.
        crop = config.crop or (CPU_CROP if device.type == 'cpu' and _crops(train_config) else None)
        if crop is not None:
            train_config = with_crop(train_config, crop)
        results.settings['crop'] = _crop_of(train_config)
        yield from _time_steps(results, train_config, config, device, progress)


def _time_loaders(
    results: Results, train_config: Config, config: TrainingBenchmarkConfig, batch: int, progress: ReportProgress
) -> Iterator[Results]:
    for name, calls in loaders(train_config, batch, config.cache_dir).items():
        with one_core():
            if config.cache_dir is not None:  # fill the cache first, untimed
                for number in range(math.ceil(len(calls['ours, cached'].data) / batch)):
                    progress('filling the cache', number * batch / len(calls['ours, cached'].data))
                    calls['ours, cached']()
                calls['ours, cached'].number = 0
            what = f'timing loaders, {name}'
            one_batch_a_turn = replace(config.plan, turn_seconds=0.0)  # so that all loaders load the same samples in a round
            timings = measure(list(calls.values()), HostClock(), one_batch_a_turn, functools.partial(progress, what))
        results.loader[name] = {who: timing.rounds for who, timing in zip(calls, timings, strict=True)}
        yield results


def _time_steps(
    results: Results, train_config: Config, config: TrainingBenchmarkConfig, device: torch.device, progress: ReportProgress
) -> Iterator[Results]:
    text = train_config.pretty_text
    progress('starting both trainings', 0.0)
    with (
        apart(text, True, str(device), config.threads) as stock,
        apart(text, False, str(device), config.threads) as ours,
    ):
        both = {'mmseg': stock, 'ours': ours}
        if 'step' in config.part:
            calls = [functools.partial(call, step) for call in both.values()]
            timings = measure(calls, _ApartClock(), config.plan, lambda share: progress('timing steps', share))
            results.step = {who: timing.rounds for who, timing in zip(both, timings, strict=True)}
            yield results
            for who, call in both.items():
                progress(f'timing the parts of a step, {who}', 0.0)
                results.split[who] = call(split, SPLIT_STEPS)
                yield results
        if 'iteration' in config.part:
            cores = usable_cores()
            tried = config.workers or [0, *(2**k for k in range(cores.bit_length()) if 2**k <= cores)]
            for number, workers in enumerate(tried):
                for who, call in both.items():
                    progress(f'timing iterations with {workers} worker(s), {who}', number / len(tried))
                    results.iterations.setdefault(who, {})[workers] = call(iterate, workers, config.plan.seconds / 2)
                    yield results


def _check_data(config: Config, name: str) -> None:
    """Raise an :class:`InputError` unless the train set is ours, which is what the loaders load."""
    type_ = config.train_dataloader.dataset.type
    kind = class_of(DATASETS, type_)
    if kind is None or not issubclass(kind, BinarySegDataset):
        raise InputError(f'{name}: train_dataloader.dataset is {type_}; give a data set of this package, as BinarySegDataset')


def _without_foreground_crops(config: Config) -> bool:
    """Let crops fall anywhere, as MMSegmentation's do; return whether some would have looked for the foreground."""
    found = False
    for crop_step in _crops(config):
        found |= bool(crop_step.pop('foreground_prob', 0))
        crop_step.pop('foreground', None)
    return found


def with_crop(config: Config, crop: tuple[int, int]) -> Config:
    """Copy a config with another crop size.

    Args:
        config: Config of a training.
        crop: (width, height) in pixels.

    Raises:
        InputError: The train pipeline has no step with a crop_size.
    """
    config = Config(config.to_dict())
    steps = _crops(config)
    if not steps:
        raise InputError(f'--crop {crop[0]}x{crop[1]}: no step of the train pipeline has a crop_size; add one to the config')
    for crop_step in steps:
        crop_step.crop_size = crop[::-1]
    if 'size' in config.model.get('data_preprocessor', {}):
        config.model.data_preprocessor.size = crop[::-1]
    return config


def _crops(config: Config) -> list[Config]:
    """Return the steps of the train pipeline that crop."""
    return [step for step in config.train_dataloader.dataset.pipeline if 'crop_size' in step]


def _crop_of(config: Config) -> str:
    """Return the crop size of the train pipeline as ``'WxH'``."""
    return '{1}x{0}'.format(*_crops(config)[0]['crop_size']) if _crops(config) else 'the full size'
