"""Training steps and whole iterations as MMEngine's runner makes them, each training in its own process."""

import copy
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmseg.models.decode_heads import decode_head
from mmseg.models.losses import accuracy
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules

from mmseg_bisenet_lite.benchmark.devices import clock_of, find_device
from mmseg_bisenet_lite.benchmark.training.loader import build_data
from mmseg_bisenet_lite.benchmark.training.stock import StockData, stock_optim_wrapper, stock_pipeline
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error, first_line

# The parts of a step, in its order; heads and losses is the rest of the step beside the other parts.
PARTS = ('preprocessing', 'backbone', 'heads and losses', 'backward', 'update')


class Training:
    """A training that is timed and never saved.

    Args:
        config: Text of the config.
        stock: Use MMSegmentation's own loader and step instead of ours.
        device: Name of the device, such as ``'cpu'`` or ``'cuda:0'``.
        threads: CPU threads; ``None`` is PyTorch's choice.
    """

    def __init__(self, config: str, stock: bool, device: str, threads: int | None) -> None:
        register_all_modules()
        if threads:
            torch.set_num_threads(threads)
        self.config = Config.fromstring(config, '.py')
        self.device = find_device(device)
        self.clock = clock_of(self.device)
        torch.backends.cudnn.benchmark = True  # as in MMSegmentation's env_cfg
        torch.manual_seed(0)
        if stock:
            decode_head.accuracy = accuracy  # MMSegmentation's own function
        message = 'cannot build the model and its optimizer from this config; check model and optim_wrapper'
        with as_input_error(message, AttributeError, KeyError, TypeError, ValueError):
            self.model: Any = revert_sync_batchnorm(MODELS.build(self.config.model)).to(self.device).train()
            wrapper = stock_optim_wrapper(self.config) if stock else self.config.optim_wrapper
            self.wrapper = build_optim_wrapper(self.model, wrapper)
        pipeline = self.config.train_dataloader.dataset.pipeline
        self.data = build_data(self.config, pipeline)
        if stock:
            self.data = StockData(self.data, stock_pipeline(pipeline))
        self.batch = pseudo_collate([self.data[k % len(self.data)] for k in range(self.config.train_dataloader.batch_size)])

    def step(self) -> float:
        """Time one step on a batch that is loaded already, in seconds."""
        return self._step(copy.deepcopy(self.batch))  # a step may pad the labels in place

    def _step(self, batch: Any) -> float:
        return self.clock.time(lambda: self.model.train_step(batch, self.wrapper))

    def split(self, steps: int) -> list[dict[str, float]]:
        """Time each of ``PARTS`` in some steps, in seconds.

        The device is synchronised between the parts, so on a GPU their sum is more than the time of a step.
        """
        spans: dict[str, float] = {}
        restore = [
            _timed(self.model.data_preprocessor, 'forward', spans, 'preprocessing', self._wait),
            _timed(self.model, 'extract_feat', spans, 'backbone', self._wait),
            _timed(self.wrapper, 'backward', spans, 'backward', self._wait),
            _timed(self.wrapper, 'step', spans, 'update', self._wait),
        ]
        times = []
        for _ in range(steps):
            spans.clear()
            seconds = self.step()
            spans['heads and losses'] = seconds - sum(spans.values())
            times.append({part: spans.get(part, 0.0) for part in PARTS})  # no update where gradients accumulate
        for undo in restore:
            undo()
        return times

    def _wait(self) -> None:
        if self.device.type != 'cpu':
            torch.accelerator.synchronize(self.device)

    def iterate(self, workers: int, seconds: float) -> list[tuple[float, float]]:
        """Time whole iterations.

        Args:
            workers: Number of workers of the loader.
            seconds: Time to iterate, in seconds, warm-up included.

        Returns:
            (seconds of waiting for the batch, seconds of the step) of each iteration after the warm-up.
        """
        loader = dict(self.config.train_dataloader)
        loader |= dict(num_workers=workers, persistent_workers=False, dataset=self.data)
        batches = chain.from_iterable(repeat(Runner.build_dataloader(loader, seed=0)))  # its sampler may be finite
        times: list[tuple[float, float]] = []
        warm_up = 2 + 2 * workers  # the batches that workers load ahead while the first one is awaited
        start = time.perf_counter()
        while len(times) < warm_up + 4 or time.perf_counter() - start < seconds:
            begun = time.perf_counter()
            batch = next(batches)
            waited = time.perf_counter() - begun
            times.append((waited, self._step(batch)))
        return times[warm_up:]


# The training of this process, if :func:`apart` started it.
_training: Training


def begin(config: str, stock: bool, device: str, threads: int | None) -> None:
    """Build the training of this process; see :class:`Training`."""
    global _training
    _training = Training(config, stock, device, threads)


def step() -> float:
    """:meth:`Training.step` of this process's training."""
    return _training.step()


def split(steps: int) -> list[dict[str, float]]:
    """:meth:`Training.split` of this process's training."""
    return _training.split(steps)


def iterate(workers: int, seconds: float) -> list[tuple[float, float]]:
    """:meth:`Training.iterate` of this process's training."""
    return _training.iterate(workers, seconds)


@contextmanager
def apart(config: str, stock: bool, device: str, threads: int | None) -> Iterator[Callable[..., Any]]:
    """Start a training in its own process, so that trainings do not share memory, threads or caches.

    Args:
        config: Text of the config.
        stock: Use MMSegmentation's own loader and step instead of ours.
        device: Name of the device, such as ``'cpu'`` or ``'cuda:0'``.
        threads: CPU threads; ``None`` is PyTorch's choice.

    Yields:
        A function that calls :func:`step`, :func:`split` or :func:`iterate` in that process and returns the result.

    Raises:
        InputError: The training cannot be built, or the process ran out of memory.
    """

    def call(function: Callable[..., Any], *args: Any) -> Any:
        try:
            return pool.submit(function, *args).result()
        except BrokenProcessPool as error:
            raise InputError('a benchmark process died, perhaps out of memory; use a smaller --batch or --crop') from error
        except torch.OutOfMemoryError as error:
            raise InputError(f'the device is out of memory ({first_line(error)}); use a smaller --batch or --crop') from error

    spawn = multiprocessing.get_context('spawn')
    # Ctrl-C reaches that process too; it ends without a traceback.
    with ProcessPoolExecutor(1, spawn, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_DFL)) as pool:
        call(begin, config, stock, device, threads)
        yield call


def _timed(owner: Any, name: str, spans: dict[str, float], part: str, wait: Callable[[], None]) -> Callable[[], None]:
    """Replace a method of an object by one that adds its seconds to ``spans``; return a function that undoes this."""
    method = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        wait()
        start = time.perf_counter()
        result = method(*args, **kwargs)
        wait()
        spans[part] = spans.get(part, 0.0) + time.perf_counter() - start
        return result

    setattr(owner, name, timed)
    return lambda: delattr(owner, name)
