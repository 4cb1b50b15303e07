"""Files and folders: a file is either complete or absent, and a folder has one writer."""

import errno
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.utils.errors import InputError


@contextmanager
def atomic_write(path: str | Path, suffix: str = '.tmp', durable: bool = True) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; the file written there is renamed to ``path`` unless writing failed.

    Args:
        path: The final name.
        suffix: Suffix of the temporary name. Processes that may write the same file at the same time need different ones.
        durable: Whether to wait until the content is on the disk, so that a power failure leaves a complete file too.

    Raises:
        OSError: Writing failed; the error names ``path``, and an earlier file of this name is as it was.
    """
    path = Path(path)
    name = os.fsencode(path.name)[: 255 - len(suffix)]  # a final name may have all the bytes that file systems allow
    temporary = path.with_name(os.fsdecode(name) + suffix)
    try:
        yield temporary
        if durable:
            with temporary.open('rb') as written:
                os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # a full disk is reported without a name
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8; if that fails, leave the earlier file as it was."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def write_json(path: str | Path, content: Any, indent: int | None = 1) -> None:
    """Write a JSON file as :func:`write_text` does; numbers that JSON does not have, NaN and infinities, become ``null``."""
    write_text(path, json.dumps(_with_null(content), indent=indent, allow_nan=False) + '\n')


def _with_null(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _with_null(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_with_null(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def files_below(folder: Path, pattern: str = '*') -> list[Path]:
    """Return the files below a folder, sorted, without hidden ones and those in hidden folders, as Jupyter makes."""
    found = (file for file in sorted(folder.rglob(pattern)) if file.is_file())
    return [file for file in found if not any(part.startswith('.') for part in file.relative_to(folder).parts)]


def lock(descriptor: int) -> None:
    """Lock an open file or folder for its process, until it is closed.

    Raises:
        BlockingIOError: Another process holds the lock.
        OSError: The file system has no locks, or the operating system has not these ones.
    """
    try:
        import fcntl
    except ImportError as error:  # Windows
        raise OSError(errno.ENOSYS, 'no file locks') from error
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def alone_in(folder: Path, name: str, doing: str = 'training') -> Iterator[int | None]:
    """Be the only process that does something in a folder, by a lock that ends with the process, however it ends.

    Args:
        folder: The folder; it exists.
        name: Name of the file in it that is locked. It stays there.
        doing: What it does, for the error.

    Yields:
        The descriptor of the lock. A process that inherits it holds the lock too; forked processes do not. ``None`` if the
        file system has no locks.

    Raises:
        InputError: Another process holds the lock.
    """
    with (folder / name).open('a') as held:
        try:
            lock(held.fileno())
        except BlockingIOError:
            raise InputError(f'{folder}: another process is {doing} here; wait for it or stop it') from None
        except OSError:  # some network file systems
            yield None
            return
        os.register_at_fork(after_in_child=held.close)  # data loader workers outlive a killed parent by seconds
        yield held.fileno()
