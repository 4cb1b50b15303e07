"""Trainings in folders and processes of their own: run once, resumed where interrupted, never mixed with another config."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mmengine.config import Config

from mmseg_bisenet_lite import __version__, compat
from mmseg_bisenet_lite.utils.checkout import made_with
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.cpu import usable_cores
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.files import alone_in, write_text

RESULT, DIGEST, MADE_WITH, LOCK = 'result.json', 'config.sha256', 'made_with.json', 'lock'


@dataclass(frozen=True)
class Training:
    """A training by iterations.

    Attributes:
        title: Name in messages.
        config: Config.
        folder: Folder of its files.
    """

    title: str
    config: Config
    folder: Path

    @property
    def iterations(self) -> int:
        """Number of iterations."""
        return self.config.train_cfg.max_iters

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint."""
        return self.folder / f'iter_{self.iterations}.pth'

    @property
    def result(self) -> Path:
        """File of the result."""
        return self.folder / RESULT

    @cached_property
    def digest(self) -> str:
        """Digest of the config."""
        content = json.dumps(self.config.to_dict(), sort_keys=True, default=str)  # a hundred times as fast as pretty_text
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def made_with(self) -> dict[str, str | None]:
        """Return the versions and the device of the training's starts."""
        return json.loads((self.folder / MADE_WITH).read_text())

    def check(self, digest: str | None) -> None:
        """Raise an :class:`InputError` if what the folder holds is of another config.

        Args:
            digest: Digest of the config of a finished training; ``None`` if it is not finished.
        """
        file = self.folder / DIGEST
        begun = file.is_file() and self._checkpoints()
        if digest not in (None, self.digest) or (begun and file.read_text().strip() != self.digest):
            raise InputError(
                f'{self.folder}: was trained with another config or another --iters; choose another --out, or delete this '
                'folder'
            )

    def start(self, lock: int | None, env: Mapping[str, str] | None) -> subprocess.Popen:
        """Train or resume, in a process of its own.

        Args:
            lock: Descriptor of the folder's lock, for a training that outlives this process; ``None`` if there is none.
            env: Environment of the process; ``None`` is this one's.
        """
        versions = json.dumps(self._made_with(), indent=1)
        for name, text in (('config.py', self.config.pretty_text), (DIGEST, self.digest), (MADE_WITH, versions)):
            write_text(self.folder / name, text + '\n')
        tool = compat.mim_folder('mmseg_bisenet_lite') / 'tools' / 'train.py'
        command = [sys.executable, str(tool), str(self.folder / 'config.py'), '--work-dir', str(self.folder)]
        if self._checkpoints():
            command.append('--resume')
        inherited = [] if lock is None else [lock]
        with self._log.open('a') as file:
            return _start(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, pass_fds=inherited, env=env)

    def failure(self, status: int) -> str | None:
        """Return the reason of a failure, or ``None``.

        Args:
            status: Exit status of the training's process.
        """
        if status == 0:
            return None
        lines = self._log.read_text().strip().splitlines() or ['no output']
        return f'{lines[-1]} (exit status {status}; see {self._log})'

    @property
    def _log(self) -> Path:
        return self.folder / 'train.log'

    def _checkpoints(self) -> list[Path]:
        return list(self.folder.glob('iter_*.pth'))

    def _made_with(self) -> dict[str, str | None]:
        """Return the versions and the device of this start, joined to those of the training's earlier starts."""
        now = made_with(__version__)
        if not self._checkpoints():
            return now
        file = self.folder / MADE_WITH
        with as_input_error(f'{file}: damaged, and it records how the training began; delete its folder', ValueError):
            before = json.loads(file.read_text()) if file.is_file() else {}
        return {key: _and(before.get(key, 'unknown'), value) for key, value in now.items()}


class _Result(Protocol):
    @property
    def config(self) -> str: ...


Key = TypeVar('Key', bound=Hashable)
Result = TypeVar('Result', bound=_Result)


def train_all(
    trainings: Mapping[Key, Training],
    load: Callable[[Path], Result],
    finish: Callable[[Key, Training], Result],
    progress: ReportProgress,
    jobs: int = 1,
) -> tuple[list[Result], dict[Key, str]]:
    """Run the trainings that are not finished; if this process is asked to stop, let them save a checkpoint first.

    Args:
        trainings: The trainings.
        load: Reads the file of a result, whose ``config`` is the digest of its config.
        finish: Makes and writes the result of a training that has ended.
        progress: Called with the current training and the share that has ended.
        jobs: Number of trainings that run side by side. They share the CPU's cores out, unless ``OMP_NUM_THREADS`` is set.

    Returns:
        The results, and the reason of each failed training.

    Raises:
        InputError: A training's folder holds another config's or a damaged result: then nothing is trained. Or another process
            trains in a folder: then no other training is begun, and those that run may end.
    """

    def finished(training: Training) -> Result | None:
        result = load(training.result) if training.result.is_file() else None
        training.check(result.config if result else None)
        return result

    unfinished = [key for key, training in trainings.items() if finished(training) is None]
    environment = _environment(min(jobs, len(unfinished)))
    done: dict[Key, Result] = {}
    failed: dict[Key, str] = {}
    waiting = list(trainings)
    running: dict[Key, tuple[subprocess.Popen, ExitStack]] = {}

    def tell(key: Key) -> None:
        others = len(running.keys() - {key})
        ended = len(done) + len(failed)
        progress(f'training {trainings[key].title}{f" and {others} more" if others else ""}', ended / len(trainings))

    def fill() -> None:
        """Start what is waiting, as long as a job is free."""
        while waiting and len(running) < jobs:
            key = waiting.pop(0)
            training = trainings[key]
            tell(key)
            training.folder.mkdir(parents=True, exist_ok=True)
            with ExitStack() as stack:
                lock = stack.enter_context(alone_in(training.folder, LOCK))
                # Checked again under the lock: another process may have finished this training meanwhile.
                if (result := finished(training)) is not None:
                    done[key] = result
                else:
                    running[key] = training.start(lock, environment), stack.pop_all()

    def end() -> None:
        """Make the result of a training that has ended, or wait a moment."""
        ended = next((key for key, (process, _) in running.items() if process.poll() is not None), None)
        if ended is None:
            time.sleep(0.1)
            return
        process, stack = running.pop(ended)
        with stack:
            if jobs > 1:
                fill()  # a result can take minutes of tests
            if (why := trainings[ended].failure(process.returncode)) is not None:
                failed[ended] = why
            else:
                done[ended] = finish(ended, trainings[ended])
        if running:
            tell(next(reversed(running)))

    problem: Exception | None = None
    try:
        while waiting or running:
            try:
                fill()
                if running:
                    end()
            except Exception as error:
                problem = problem or error
                waiting.clear()  # but what runs may end
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, stack in running.values():
            process.wait()
            stack.close()
    if problem is not None:
        raise problem
    return [done[key] for key in trainings if key in done], {key: failed[key] for key in trainings if key in failed}


def _environment(jobs: int) -> dict[str, str] | None:
    """Return the environment of trainings that share the cores out; ``None`` is this process's."""
    if jobs <= 1 or 'OMP_NUM_THREADS' in os.environ:
        return None
    return {**os.environ, 'OMP_NUM_THREADS': str(max(1, usable_cores() // jobs))}


def _and(before: str | None, now: str | None) -> str | None:
    return before if str(now) in str(before).split(' and ') else f'{before} and {now}'


def _start(command: list[str], **options: Any) -> subprocess.Popen:
    return subprocess.Popen(command, **options)  # noqa: S603
