"""Trainings in folders and processes of their own: run once, resumed where interrupted, never mixed with another config."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mmengine.config import Config

from mmseg_bisenet_lite import __version__, compat
from mmseg_bisenet_lite.utils.checkout import made_with
from mmseg_bisenet_lite.utils.console import ReportProgress
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

    def run(self, lock: int | None) -> str | None:
        """Train or resume; return the reason of a failure.

        Args:
            lock: Descriptor of the folder's lock, for a training that outlives this process; ``None`` if there is none.
        """
        versions = json.dumps(self._made_with(), indent=1)
        for name, text in (('config.py', self.config.pretty_text), (DIGEST, self.digest), (MADE_WITH, versions)):
            write_text(self.folder / name, text + '\n')
        tool = compat.mim_folder('mmseg_bisenet_lite') / 'tools' / 'train.py'
        command = [sys.executable, str(tool), str(self.folder / 'config.py'), '--work-dir', str(self.folder)]
        if self._checkpoints():
            command.append('--resume')
        log = self.folder / 'train.log'
        with log.open('a') as file:
            inherited = [] if lock is None else [lock]
            process = _run(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, pass_fds=inherited)
        if process.returncode == 0:
            return None
        lines = log.read_text().strip().splitlines() or ['no output']
        return f'{lines[-1]} (exit status {process.returncode}; see {log})'

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
) -> tuple[list[Result], dict[Key, str]]:
    """Run the trainings that are not finished, one after another.

    Args:
        trainings: The trainings.
        load: Reads the file of a result, whose ``config`` is the digest of its config.
        finish: Makes and writes the result of a training that has ended.
        progress: Called with the current training and the share that is done.

    Returns:
        The results, and the reason of each failed training.

    Raises:
        InputError: A training's folder holds another config's or a damaged result: then nothing is trained. Or another process
            trains in a folder.
    """

    def finished(training: Training) -> Result | None:
        result = load(training.result) if training.result.is_file() else None
        training.check(result.config if result else None)
        return result

    for training in trainings.values():
        finished(training)
    done: list[Result] = []
    failed: dict[Key, str] = {}
    for number, (key, training) in enumerate(trainings.items()):
        progress(f'training {training.title}', number / len(trainings))
        training.folder.mkdir(parents=True, exist_ok=True)
        with alone_in(training.folder, LOCK) as lock:
            # Checked again under the lock: another process may have finished this training meanwhile.
            result = finished(training)
            if result is None and (why := training.run(lock)) is not None:
                failed[key] = why
            else:
                done.append(result or finish(key, training))
    return done, failed


def _and(before: str | None, now: str | None) -> str | None:
    return before if str(now) in str(before).split(' and ') else f'{before} and {now}'


def _run(command: list[str], **options: Any) -> subprocess.Popen:
    """Run a training; if this process is asked to stop, let the training save a checkpoint first."""
    with subprocess.Popen(command, **options) as process:  # noqa: S603
        try:
            process.wait()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
    return process
