"""The whole training benchmark."""

import functools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmseg.utils import register_all_modules

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.benchmark.devices import find_device, usable_cores
from mmseg_bisenet_lite.benchmark.environment import environment
from mmseg_bisenet_lite.benchmark.measure import HostClock, Plan, measure
from mmseg_bisenet_lite.benchmark.training.loader import loaders, one_core
from mmseg_bisenet_lite.benchmark.training.remote import Remote
from mmseg_bisenet_lite.benchmark.training.step import Training
from mmseg_bisenet_lite.pretrained.loading import read_config
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.files import atomic_write

PARTS = ('loader', 'step', 'iteration')

# Is told what is being done and which share of it is done.
Progress = Callable[[str, float], None]

CPU = torch.device('cpu')

# What a step is timed on where there is only a CPU: batches of larger images take minutes there. (width, height)
CPU_CROP = (320, 240)

SPLIT_STEPS = 6


@dataclass(frozen=True)
class Order:
    """What is to be timed.

    Attributes:
        config: File of a training's config.
        options: Changes to it, key by key.
        parts: Some of ``PARTS``.
        device: Of the step.
        threads: Of the CPU; ``None`` is PyTorch's choice.
        batch: Images; ``None`` is the config's.
        crop: (width, height) of the images in steps and iterations; ``None`` is the config's, on CPUs ``CPU_CROP``.
        cache_dir: Folder for decoded images, to time the loader with it too.
        workers: Numbers to try; ``None`` is 0, 1, 2, 4, ... up to the cores.
        plan: How long.
    """

    config: str
    options: dict[str, Any] = field(default_factory=dict)
    parts: Sequence[str] = PARTS
    device: torch.device = CPU
    threads: int | None = None
    batch: int | None = None
    crop: tuple[int, int] | None = None
    cache_dir: str | None = None
    workers: Sequence[int] | None = None
    plan: Plan = field(default_factory=Plan)


@dataclass
class Results:
    """What was found; all times in seconds.

    Attributes:
        environment: Device and versions.
        settings: Config, batch and sizes, as they were.
        loader: For each augmentation and loader the times of a batch on one core, one list for each round.
        step: The times of ``'mmseg'``'s and our step, one list for each round.
        split: For both, of some steps, the time of each part.
        iterations: For both, by the number of workers, (waited for the batch, step) of each iteration.
    """

    environment: dict[str, Any]
    settings: dict[str, Any]
    loader: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)
    step: dict[str, list[list[float]]] = field(default_factory=dict)
    split: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    iterations: dict[str, dict[int, list[tuple[float, float]]]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write everything as JSON, first under a temporary name."""
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1))


class _RemoteClock(HostClock):
    """The clock of calls that time themselves, elsewhere."""

    def time(self, call: Callable[[], float]) -> float:
        """What the call says."""
        return call()


def run(order: Order, progress: Progress = lambda what, share: None) -> Results:
    """Time what is ordered.

    Raises:
        InputError: The config is no training's, its data are missing, or there is too little memory.
    """
    register_all_modules()
    config = read_config(order.config)
    with as_input_error(f'{order.config}: the changes do not fit it', KeyError, TypeError, IndexError, AttributeError):
        config.merge_from_dict(order.options)
    for key in ('train_dataloader', 'optim_wrapper'):
        if key not in config:
            raise InputError(f'{order.config}: a config without {key}, so none of a training')
    batch = order.batch or config.train_dataloader.batch_size
    config.train_dataloader.batch_size = batch
    find_device(str(order.device))
    if order.threads:
        torch.set_num_threads(order.threads)
    libraries = {name: compat.version(name) for name in ('kornia-rs', 'opencv-python', 'opencv-python-headless')}
    where = {**environment(order.device), **libraries}
    results = Results(where, dict(config=order.config, options=order.options, batch=batch))
    results.settings['loader_crop'] = _crop_of(config)
    if 'loader' in order.parts:
        _time_loaders(results, config, order, batch, progress)
    if 'step' in order.parts or 'iteration' in order.parts:
        crop = order.crop or (CPU_CROP if order.device.type == 'cpu' else None)
        if crop is not None:
            config = with_crop(config, crop)
        results.settings['crop'] = _crop_of(config)
        _time_steps(results, config, order, progress)
    return results


def _time_loaders(results: Results, config: Config, order: Order, batch: int, progress: Progress) -> None:
    for name, calls in loaders(config, batch, order.cache_dir).items():
        with one_core():
            if order.cache_dir is not None:  # full before it counts
                for number in range(math.ceil(len(calls['ours, cached'].data) / batch)):
                    progress('filling the cache', number * batch / len(calls['ours, cached'].data))
                    calls['ours, cached']()
                calls['ours, cached'].number = 0
            what = f'timing loaders, {name}'
            one_batch_a_turn = replace(order.plan, turn_seconds=0.0)  # so that all load the same samples in a round
            timings = measure(list(calls.values()), HostClock(), one_batch_a_turn, functools.partial(progress, what))
        results.loader[name] = {who: timing.rounds for who, timing in zip(calls, timings, strict=True)}


def _time_steps(results: Results, config: Config, order: Order, progress: Progress) -> None:
    text, device = config.pretty_text, str(order.device)
    progress('starting two trainings', 0.0)
    with (
        Remote(Training, text, True, device, order.threads) as stock,
        Remote(Training, text, False, device, order.threads) as ours,
    ):
        both = {'mmseg': stock, 'ours': ours}
        if 'step' in order.parts:
            calls = [functools.partial(remote.call, 'step') for remote in both.values()]
            timings = measure(calls, _RemoteClock(), order.plan, lambda share: progress('timing steps', share))
            results.step = {who: timing.rounds for who, timing in zip(both, timings, strict=True)}
            for who, remote in both.items():
                progress(f'splitting steps, {who}', 0.0)
                results.split[who] = remote.call('split', SPLIT_STEPS)
        if 'iteration' in order.parts:
            cores = usable_cores()
            tried = order.workers or [0, *(2**k for k in range(cores.bit_length()) if 2**k <= cores)]
            results.iterations = {who: {} for who in both}
            for number, workers in enumerate(tried):
                for who, remote in both.items():
                    progress(f'iterations with {workers} worker(s), {who}', number / len(tried))
                    results.iterations[who][workers] = remote.call('iterate', workers, order.plan.seconds / 2)


def with_crop(config: Config, crop: tuple[int, int]) -> Config:
    """A copy of a config that trains on crops of another size, (width, height).

    Raises:
        InputError: Its pipeline crops nothing.
    """
    config = Config(config.to_dict())
    steps = [step for step in config.train_dataloader.dataset.pipeline if 'crop_size' in step]
    if not steps:
        raise InputError('the train pipeline crops nothing, so it takes no other crop')
    for step in steps:
        step.crop_size = crop[::-1]
    if 'size' in config.model.get('data_preprocessor', {}):
        config.model.data_preprocessor.size = crop[::-1]
    return config


def _crop_of(config: Config) -> str:
    """``'WxH'`` of the crops of a pipeline."""
    sizes = [step['crop_size'] for step in config.train_dataloader.dataset.pipeline if 'crop_size' in step]
    return '{1}x{0}'.format(*sizes[0]) if sizes else 'as they are'
