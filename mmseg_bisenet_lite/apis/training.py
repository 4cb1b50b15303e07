"""Guards of every training that the tool starts: one writer for a work dir, and hooks that keep the weights safe."""

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mmengine.config import Config

from mmseg_bisenet_lite.compat import saved_checkpoints, where_saved
from mmseg_bisenet_lite.utils.files import alone_in

# Key in default_hooks -> hook. A config drops one by setting its key to None.
HOOKS = {'finite_training': 'FiniteTrainingHook', 'graceful_stop': 'GracefulStopHook'}

# Variable with the number of a process, by --launcher.
RANKS = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}

LOCK = 'train.lock'


def guarding_options(config: Config) -> list[str]:
    """Return the options for ``--cfg-options`` that add :data:`HOOKS` to a config."""
    hooks = config.get('default_hooks', {})
    if hooks is None:
        return ['default_hooks._delete_=True', *guarding_options(Config())]
    return [f'default_hooks.{key}.type=mmseg.{name}' for key, name in HOOKS.items() if hooks.get(key, {}) is not None]


@contextmanager
def work_dir_of_one_training(
    folder: Path, resume: bool, launcher: str = 'none', out_dir: str | None = None, filename_tmpl: str | None = None
) -> Iterator[None]:
    """Keep other trainings out of a work dir, and the checkpoints of an earlier training out of the way of this one.

    A training that does not resume would overwrite them one by one, so they are moved to ``earlier-N`` in their folder.
    Of several processes of one training only the first does so. Files that a killed training was writing are removed.

    Args:
        folder: The work dir; it is created.
        resume: Whether the training continues the one in the folder.
        launcher: What started the processes.
        out_dir: The argument of the training's CheckpointHook.
        filename_tmpl: The same.

    Raises:
        InputError: Another process trains in the folder.
    """
    if os.environ.get(RANKS.get(launcher, ''), '0') != '0':
        yield
        return
    saved, names = where_saved(folder, out_dir, filename_tmpl)
    with ExitStack() as stack:
        for each in (folder, saved):
            each.mkdir(parents=True, exist_ok=True)
        for each in dict.fromkeys((folder.resolve(), saved.resolve())):
            stack.enter_context(alone_in(each, LOCK))
        if not resume:
            _set_aside(saved, names, folder / 'last_checkpoint')
        for left in (*saved.glob('*.pth.tmp'), folder / 'last_checkpoint.tmp'):
            left.unlink(missing_ok=True)
        yield


def _set_aside(folder: Path, names: str, note: Path) -> None:
    """Move the checkpoints of an earlier training, and the note of the last one, to a folder of their own."""
    saved = [*saved_checkpoints(folder, names=names), *folder.glob('best_*.pth')]
    if not saved:
        return
    aside = next(path for path in (folder / f'earlier-{number}' for number in itertools.count(1)) if not path.exists())
    aside.mkdir()
    for file in (*saved, note):
        if file.exists():
            shutil.move(file, aside / file.name)  # the note may be on another disk
    print(f'{folder}: the {len(saved)} checkpoints of an earlier training are now in {aside.name}; --resume would continue it')
