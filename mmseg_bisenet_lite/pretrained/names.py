"""Checkpoints by name or by path: ``bisenet-lite://NAME`` stands for weights that come with the package.

This module works without PyTorch, as on a robot.
"""

import hashlib
from pathlib import Path

from mmseg_bisenet_lite.utils.errors import InputError

# ``bisenet-lite://NAME`` stands for the weights NAME wherever a checkpoint is accepted.
SCHEME = 'bisenet-lite://'

SUFFIX = '.safetensors'
FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of the weights that come with the package."""
    return sorted(file.stem for file in FOLDER.glob(f'*{SUFFIX}'))


def with_scheme(name: str) -> str:
    """Return ``bisenet-lite://NAME`` for a name with or without the scheme."""
    return f'{SCHEME}{name.removeprefix(SCHEME)}'


def checkpoint_file(checkpoint: str | Path) -> Path:
    """Return the file of a checkpoint that is given as ``bisenet-lite://NAME`` or as a path.

    Raises:
        InputError: There is no such name or file.
    """
    name = str(checkpoint).removeprefix(SCHEME)
    if name == str(checkpoint):
        file = Path(checkpoint)
        if not file.is_file():
            raise InputError(f'{checkpoint}: there is no such checkpoint')
        return file
    if name not in names():
        raise InputError(f'{checkpoint}: there are no such weights in the package; choose from {", ".join(names())}')
    return FOLDER / f'{name}{SUFFIX}'


def sha256_of(checkpoint: str | Path) -> str:
    """Return the SHA-256 digest of a checkpoint's file, which exported files carry.

    Raises:
        InputError: There is no such name or file.
    """
    return hashlib.sha256(checkpoint_file(checkpoint).read_bytes()).hexdigest()
