"""GracefulStopHook: save a checkpoint when the training is asked to stop."""

import atexit
import functools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import distributed

from mmseg_bisenet_lite.compat.resume import sampler_of
from mmseg_bisenet_lite.engine.averaging import averaging_hooks
from mmseg_bisenet_lite.utils.files import write_text

# Time that a data loader worker lives on after SIGTERM, which Slurm and terminals send to all processes of a job.
GRACE_SECONDS = 60


@HOOKS.register_module()
class GracefulStopHook(Hook):
    """On SIGTERM or Ctrl-C finish the iteration, save a checkpoint from which ``--resume`` continues, and exit.

    The exit status is 128 plus the number of the signal: 143 after SIGTERM, 130 after Ctrl-C. A second Ctrl-C ends the process
    at once. During a validation no more batches are validated, except that the training's last one is finished. In a training
    by epochs the epoch begins again on resuming, unless the sampler is ``SeededInfiniteSampler``, as in our configs.
    """

    priority = 'LOWEST'  # after CheckpointHook, which may have saved in this iteration

    def __init__(self) -> None:
        self._signal = 0
        self._before: dict[int, Any] = {}
        self._group: Any = None

    def before_train(self, runner: Runner) -> None:
        """Begin to catch the signals, here and in the workers of the data loaders."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                if signal.getsignal(number) != signal.SIG_IGN:  # as of a job in the background
                    self._before[number] = signal.signal(number, self._note)
        for loop in filter(None, (runner.train_loop, runner.val_loop)):
            _protect_workers(loop.dataloader)
        if distributed.is_initialized():
            self._group = distributed.new_group(backend='gloo')  # of the processes, so that none waits for its GPU

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Stop if any process was asked to."""
        if self._group is not None:
            asked = torch.tensor(self._signal)
            distributed.all_reduce(asked, distributed.ReduceOp.MAX, self._group)
            self._signal = int(asked)
        if self._signal and not self._is_last(runner, runner.iter + 1):
            self._stop(runner, runner.iter + 1)

    def after_val_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Stop if asked to; with several processes, after the next training iteration."""
        if self._signal and self._before and self._group is None and not self._is_last(runner, runner.iter):
            for hook in averaging_hooks(runner):
                hook.after_val_epoch(runner)  # the network has the averaged weights during a validation
            self._stop(runner, runner.iter)

    def after_train(self, runner: Runner) -> None:
        """Leave the signals to whoever had them before."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = self._signal or number
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)

    def _is_last(self, runner: Runner, iteration: int) -> bool:
        """Whether only the last validation is left, which a resumed run would not make: it has no iteration to begin with."""
        return iteration >= runner.max_iters and runner.val_loop is not None

    def _stop(self, runner: Runner, iteration: int) -> None:
        saved = _save(runner, iteration)
        name = signal.Signals(self._signal).name
        if runner.rank == 0:
            told = f'stopped by {name} after iteration {iteration}; saved {saved}: --resume continues from it'
            print(f'{Path(sys.argv[0]).name}: {told}', file=sys.stderr)
        self.after_train(runner)
        raise SystemExit(128 + self._signal)


def _save(runner: Runner, iteration: int) -> str:
    """Save a checkpoint of the current weights if there is none yet; return its path."""
    meta = dict(epoch=runner.epoch, iter=iteration)
    hook = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
    if hook is not None and not hook.by_epoch:
        if Path(hook.last_ckpt or '').name != hook.filename_tmpl.format(iteration):
            hook._save_checkpoint_with_step(runner, iteration, meta)
        return str(hook.last_ckpt)
    folder = runner.work_dir if hook is None or '://' in hook.out_dir else hook.out_dir  # where --resume looks
    path = Path(folder) / f'iter_{iteration}.pth'
    goes_on = hasattr(sampler_of(runner.train_dataloader), 'only_pass')  # within an epoch
    if hook is not None and not goes_on:
        meta['iter'] = runner.epoch * len(runner.train_dataloader)
    runner.save_checkpoint(str(path.parent), path.name, meta=meta, by_epoch=False)
    if runner.rank == 0:
        write_text(Path(runner.work_dir) / 'last_checkpoint', str(path))
    return str(path)


def _protect_workers(loader: Any) -> None:
    exiting = multiprocessing.RawValue('b', False)  # shared with the workers
    atexit.register(setattr, exiting, 'value', True)  # before multiprocessing's own function, which sends SIGTERM to workers
    # DataLoader forbids to set some attributes after its construction, but not this one.
    loader.worker_init_fn = functools.partial(_start_worker, loader.worker_init_fn, exiting)


def _start_worker(start: Callable[[int], None] | None, exiting: Any, number: int) -> None:
    """Begin a worker that ends with its parent, and not by the signals that are sent to both."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, functools.partial(_end_later, exiting))
    if start is not None:
        start(number)


def _end_later(exiting: Any, number: int, frame: FrameType | None) -> None:
    if exiting.value:
        os._exit(0)  # as PyTorch's own handler; any other status is an error to the parent
    signal.alarm(GRACE_SECONDS)
