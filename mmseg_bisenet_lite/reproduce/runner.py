"""Runs the missing trainings of a grid, one after another, each in its own process."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmseg_bisenet_lite import __version__, compat
from mmseg_bisenet_lite.apis.cfg_options import merge_options
from mmseg_bisenet_lite.apis.scores import scores_of
from mmseg_bisenet_lite.datasets.metainfo import inner_sets
from mmseg_bisenet_lite.reproduce.config import Run, folder_of, leave_out
from mmseg_bisenet_lite.reproduce.results import Result, save
from mmseg_bisenet_lite.utils.checkout import made_with
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.files import alone_in, write_text

# Keys of a config that the tool sets itself.
_SET_BY_THE_TOOL = {
    'randomness.seed': '--seeds sets the seed',
    'train_cfg.max_iters': '--iters sets the iterations',
    'work_dir': '--out sets the folder',
    'resume': 'an interrupted training is resumed anyway',
}
# And what --protocol drives sets.
_SET_BY_THE_PROTOCOL = re.compile(
    r'(train|val|test)_dataloader\.dataset(\.datasets\.\d+)?\.(data_prefix|drives|ann_file)(\..*)?'
)

RESULT, DIGEST, MADE_WITH, LOCK = 'result.json', 'config.sha256', 'made_with.json', 'lock'


def reproduce(
    runs: Sequence[Run],
    dataset: str,
    out: Path,
    iterations: int | None = None,
    options: Mapping[str, Any] | None = None,
    progress: ReportProgress = lambda what, done: None,
) -> tuple[list[Result], dict[Run, str]]:
    """Run the trainings that are not finished; an interrupted training is resumed.

    Args:
        runs: The trainings.
        dataset: Key of ``DATASETS``.
        out: Output folder; finished trainings are read from it.
        iterations: Iterations of each training; ``None`` keeps the configs' numbers.
        options: Changes to every config, as ``Config.merge_from_dict`` takes them.
        progress: Called with the current training and the share that is done.

    Returns:
        The results, and the reason of each failed training.

    Raises:
        InputError: A config is missing, the changes do not fit, or a training in ``out`` has another config or a damaged
            result: then nothing is trained. Or another process runs a training in ``out``.
    """
    planned = [(run, _config(run, dataset, iterations, options or {})) for run in runs]
    for run, config in planned:
        _finished(folder_of(run, out), _digest(config))
    done: list[Result] = []
    failed: dict[Run, str] = {}
    for number, (run, config) in enumerate(planned):
        folder = folder_of(run, out)
        progress(f'training {run.title}', number / len(planned))
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder, LOCK) as lock:
            # Checked again under the lock: another process may have finished this training meanwhile.
            outcome = _finished(folder, _digest(config)) or _train(run, config, folder, lock)
        if isinstance(outcome, Result):
            done.append(outcome)
        else:
            failed[run] = outcome
    return done, failed


def _config(run: Run, dataset: str, iterations: int | None, options: Mapping[str, Any]) -> Config:
    for key, otherwise in _SET_BY_THE_TOOL.items():
        if key in options and (key != 'train_cfg.max_iters' or iterations is not None):
            raise InputError(f'--cfg-options {key}: {otherwise}; leave this key out')
    for key in options:
        if run.left_out and _SET_BY_THE_PROTOCOL.fullmatch(key):
            raise InputError(f'--cfg-options {key}: --protocol drives sets the folders and the drives; leave this key out')
    config = run.config(dataset, iterations)
    merge_options(config, options, f'the config of {run.name}')
    if run.left_out:
        leave_out(config, run.left_out, dataset)
    elif shared := _in_both(config):
        raise InputError(f'{run.name} is trained on the photographs in {shared[0]}, which test it; give --protocol drives')
    if 'max_iters' not in config.train_cfg:
        raise InputError('--cfg-options train_cfg: the grid is trained by iterations; leave the loop as it is')
    return config


def _in_both(config: Config) -> list[str]:
    """Return the folders that are both in the training set and in the test set."""
    train, test = (inner_sets(config[f'{split}_dataloader'].dataset) for split in ('train', 'test'))
    tested = [(each.data_root, each.data_prefix.img_path) for each in test]
    return [each.data_prefix.img_path for each in train if (each.data_root, each.data_prefix.img_path) in tested]


def _digest(config: Config) -> str:
    content = json.dumps(config.to_dict(), sort_keys=True, default=str)  # a hundred times as fast as pretty_text
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _finished(folder: Path, digest: str) -> Result | None:
    """Return the result if the training is finished; a finished or interrupted training must have this config."""
    result = Result.load(folder / RESULT) if (folder / RESULT).is_file() else None
    begun = (folder / DIGEST).is_file() and _checkpoints(folder)
    if (result and result.config != digest) or (begun and (folder / DIGEST).read_text().strip() != digest):
        raise InputError(
            f'{folder}: was trained with another config or another --iters; choose another --out, or delete this folder'
        )
    return result


def _made_with(folder: Path) -> dict[str, str | None]:
    """Return the versions and the device of this start, joined to those of the training's earlier starts."""
    now = made_with(__version__)
    if not _checkpoints(folder):
        return now
    file = folder / MADE_WITH
    with as_input_error(f'{file}: damaged, and it records how the training began; delete its folder', ValueError):
        before = json.loads(file.read_text()) if file.is_file() else {}
    return {key: _and(before.get(key, 'unknown'), value) for key, value in now.items()}


def _and(before: str | None, now: str | None) -> str | None:
    return before if str(now) in str(before).split(' and ') else f'{before} and {now}'


def _checkpoints(folder: Path) -> list[Path]:
    return list(folder.glob('iter_*.pth'))


def _train(run: Run, config: Config, folder: Path, lock: int | None) -> Result | str:
    """Train or resume, and write the result; return the result, or the reason of the failure."""
    versions = json.dumps(_made_with(folder), indent=1)
    for name, text in (('config.py', config.pretty_text), (DIGEST, _digest(config)), (MADE_WITH, versions)):
        write_text(folder / name, text + '\n')
    tool = compat.mim_folder('mmseg_bisenet_lite') / 'tools' / 'train.py'
    command = [sys.executable, str(tool), str(folder / 'config.py'), '--work-dir', str(folder)]
    if _checkpoints(folder):
        command.append('--resume')
    log = folder / 'train.log'
    with log.open('a') as file:
        inherited = [] if lock is None else [lock]  # since the training may outlive this process
        status = _run(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, pass_fds=inherited).returncode
    if status == 0:
        result = _result(run, config, folder)
        save(result, folder / RESULT)
        return result
    lines = log.read_text().strip().splitlines() or ['no output']
    return f'{lines[-1]} (exit status {status}; see {log})'


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


def _result(run: Run, config: Config, folder: Path) -> Result:
    iterations = config.train_cfg.max_iters
    validations: dict[int, dict[str, float]] = {}
    for file in sorted(folder.glob('*/vis_data/scalars.json')):  # one file for each start
        for line in file.read_text().splitlines():
            with suppress(ValueError):  # a cut line, where the training was killed
                entry = json.loads(line)
                if 'mIoU' in entry:
                    validations[entry.pop('step')] = entry
    if iterations not in validations:  # killed in the last validation, which resuming does not repeat
        validations[iterations] = scores_of(config, str(folder / f'iter_{iterations}.pth'), folder / 'test')
    timing = {'data_time', 'time'}
    return Result(
        run=run,
        iterations=iterations,
        metrics={key: value for key, value in validations[iterations].items() if key not in timing},
        curve=[(step, validations[step]['mIoU']) for step in sorted(validations)],
        config=_digest(config),
        made_with=json.loads((folder / MADE_WITH).read_text()),
    )
