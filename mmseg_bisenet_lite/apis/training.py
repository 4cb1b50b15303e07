"""Guards of every training that the tool starts: one writer for a work dir, and hooks that keep the weights safe."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config

from mmseg_bisenet_lite.compat import saved_checkpoints
from mmseg_bisenet_lite.utils.errors import InputError
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
def work_dir_of_one_training(folder: Path, resume: bool, launcher: str = 'none') -> Iterator[None]:
    """Keep other trainings out of a work dir, and this one out of a work dir that holds an earlier training.

    Of several processes of one training only the first does so. Files that a killed training was writing are removed.

    Args:
        folder: The work dir; it is created.
        resume: Whether the training continues the one in the folder.
        launcher: What started the processes.

    Raises:
        InputError: Another process trains in the folder; or it holds checkpoints, and ``resume`` is false.
    """
    if os.environ.get(RANKS.get(launcher, ''), '0') != '0':
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder, LOCK):
        saved = saved_checkpoints(folder)
        if saved and not resume:
            raise InputError(
                f'{folder}: holds checkpoints of an earlier training, such as {saved[0].name}: add --resume to continue it, '
                'choose another --work-dir, or delete them'
            )
        for left in (*folder.glob('*.pth.tmp'), folder / 'last_checkpoint.tmp'):
            left.unlink(missing_ok=True)
        yield
