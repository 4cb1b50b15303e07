"""Files that are whole or not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: str | Path, suffix: str = '.tmp') -> Iterator[Path]:
    """A temporary name beside ``path`` to write to; what was written takes ``path``'s name, unless writing failed.

    Args:
        path: The final name.
        suffix: What the temporary name has in addition; several processes that may write the same file each need their own.
    """
    temporary = Path(f'{path}{suffix}')
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a whole text file in UTF-8, or leave what was there."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
