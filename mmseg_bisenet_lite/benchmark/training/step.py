"""Training steps and whole iterations, as the runner makes them, in a process of their own."""

import copy
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
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

# Of a step, in its order; what is neither of the others is heads and losses.
PARTS = ('preprocessing', 'backbone', 'heads and losses', 'backward', 'update')


class Training:
    """A training that is begun and never saved.

    Args:
        config: Its text.
        stock: Whether MMSegmentation's own loader and step are taken in the place of ours.
        device: ``'cpu'``, ``'cuda:0'``, ...
        threads: Of the CPU; ``None`` is PyTorch's choice.
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
            decode_head.accuracy = accuracy  # the host's own
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
        """Seconds of one step on a batch that is at hand."""
        return self._step(copy.deepcopy(self.batch))  # a step may pad the labels in place

    def _step(self, batch: Any) -> float:
        return self.clock.time(lambda: self.model.train_step(batch, self.wrapper))

    def split(self, steps: int) -> list[dict[str, float]]:
        """Seconds of each of ``PARTS`` in some steps.

        The device is waited for between the parts, so on a GPU their sum is more than the time of a step.
        """
        spans: dict[str, float] = {}
        restore = [
            _timed(self.model.data_preprocessor, 'forward', spans, 'preprocessing', self._wait),
            _timed(self.model, 'extract_feat', spans, 'backbone', self._wait),
            _timed(self.wrapper, 'backward', spans, 'backward', self._wait),
            _timed(self.wrapper, 'step', spans, 'update', self._wait),
        ]
        found = []
        for _ in range(steps):
            spans.clear()
            seconds = self.step()
            found.append({part: spans.get(part, seconds - sum(spans.values())) for part in PARTS})
        for undo in restore:
            undo()
        return found

    def _wait(self) -> None:
        if self.device.type != 'cpu':
            torch.accelerator.synchronize(self.device)

    def iterate(self, workers: int, seconds: float) -> list[tuple[float, float]]:
        """(seconds waited for the batch, seconds of the step) of whole iterations with so many workers, warm-up left out."""
        loader = dict(self.config.train_dataloader)
        loader |= dict(num_workers=workers, persistent_workers=False, dataset=self.data)
        batches = iter(Runner.build_dataloader(loader, seed=0))
        found: list[tuple[float, float]] = []
        warm_up = 2 + 2 * workers  # the batches that workers load ahead while the first is waited for
        start = time.perf_counter()
        while len(found) < warm_up + 4 or time.perf_counter() - start < seconds:
            begun = time.perf_counter()
            batch = next(batches)
            waited = time.perf_counter() - begun
            found.append((waited, self._step(batch)))
        return found[warm_up:]


# The training of a process that :func:`apart` started.
_training: Training


def begin(config: str, stock: bool, device: str, threads: int | None) -> None:
    """Make this process's training."""
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
    """A training in a process of its own, so that neither side's memory, threads or caches are the other's.

    Args:
        config: See :class:`Training`, as for the others.
        stock: See there.
        device: See there.
        threads: See there.

    Yields:
        What calls :func:`step`, :func:`split` or :func:`iterate` there and returns what it gives.

    Raises:
        InputError: No training can be built, or the process ran out of memory.
    """

    def call(function: Callable[..., Any], *args: Any) -> Any:
        try:
            return pool.submit(function, *args).result()
        except BrokenProcessPool as error:
            raise InputError('a benchmark process died, perhaps out of memory; use a smaller --batch or --crop') from error
        except torch.OutOfMemoryError as error:
            raise InputError(f'the device is out of memory ({first_line(error)}); use a smaller --batch or --crop') from error

    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
        call(begin, config, stock, device, threads)
        yield call


def _timed(owner: Any, name: str, spans: dict[str, float], part: str, wait: Callable[[], None]) -> Callable[[], None]:
    """Let a method note how long it took; returns what undoes that."""
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
