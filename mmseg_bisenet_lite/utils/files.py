"""Atomic writing: a file is either complete or absent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: str | Path, suffix: str = '.tmp') -> Iterator[Path]:
    """Yield a temporary name beside ``path``; the file written there is renamed to ``path`` unless writing failed.

    Args:
        path: The final name.
        suffix: Suffix of the temporary name. Processes that may write the same file at the same time need different ones.
    """
    temporary = Path(f'{path}{suffix}')
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8; if that fails, leave the earlier file as it was."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
