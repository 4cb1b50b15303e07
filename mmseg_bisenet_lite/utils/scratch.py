"""A temporary folder that a killed process leaves behind only until the next process makes one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmseg_bisenet_lite.utils.files import lock


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder in ``parent``, and remove it afterwards, with those that killed processes have left there.

    A living process holds a lock on its folder, which ends with the process, however it ends. On a file system without locks,
    folders of others are left alone.

    Args:
        parent: The folder to make it in.
        prefix: Start of its name, and of the names of the folders to remove.

    Raises:
        OSError: The folder cannot be made.
    """
    for left in parent.glob(f'{prefix}????????'):
        if left.is_dir() and not left.is_symlink():
            with suppress(OSError):
                holder = _lock(left)  # fails if its process lives
                shutil.rmtree(left, ignore_errors=True)
                os.close(holder)
    new = Path(tempfile.mkdtemp(prefix=f'{prefix}new-', dir=parent))
    own: int | None = None
    with suppress(OSError):
        own = _lock(new)
    folder = new.rename(parent / f'{prefix}{new.name[-8:]}')  # only now others may take it for one that was left
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if own is not None:
            os.close(own)


def _lock(folder: Path) -> int:
    """Lock a folder for this process; return the descriptor that holds the lock."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
