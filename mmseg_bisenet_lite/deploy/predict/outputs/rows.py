"""Rows: a text file that grows by a row for each frame, and that an interruption leaves whole."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.files import atomic_write

Parse = Callable[[Iterable[str]], Iterator[tuple[str, str]]]


class Rows:
    """A text file with one row for each frame; the rows of earlier runs stay, and a frame's newer row replaces its older one.

    A row is in the file, whole, once ``append`` returns. An older row of the same frame goes when the file is closed, or opened
    again after an interruption. Memory grows with the rows of earlier runs, by about 0.2 KB each, and not with new ones.

    Args:
        file: The file.
        parse: From lines to pairs of a frame's name and its row as a text, without rows that are not whole.
        header: First line of the file, with its end; none if empty.
        parts: Files of the same kind, whose rows this one takes over; where two have a frame, the newer file counts.

    Raises:
        InputError: A file begins with another header.
        OSError: The file cannot be read or written.
    """

    def __init__(self, file: Path, parse: Parse, header: str = '', parts: Iterable[Path] = ()) -> None:
        self._file, self._parse, self._header = file, parse, header
        self._lock = threading.Lock()
        self._replaced = False
        files = sorted(filter(Path.exists, (*parts, file)), key=lambda each: each.stat().st_mtime_ns)
        self._earlier = self._tidy(files) if files else {}

    def __contains__(self, name: str) -> bool:
        """Whether an earlier run wrote a row of this frame."""
        return name in self._earlier

    def __iter__(self) -> Iterator[str]:
        """Yield the rows, oldest first."""
        return (row for _, row in self._pairs([self._file]))

    def append(self, name: str, row: str) -> None:
        """Write a row, with its end, at once; several threads may call this."""
        with self._lock, self._file.open('ab', buffering=0) as opened:
            end = opened.tell()
            data = memoryview((row if end else self._header + row).encode('utf-8', 'surrogateescape'))
            try:
                while data:
                    data = data[opened.write(data) :]
            except OSError:
                with suppress(OSError):  # what is said is why it was not written
                    opened.truncate(end)  # else the next row would go on in this line
                raise
            self._replaced |= name in self._earlier

    def close(self) -> None:
        """Drop the rows that newer ones replaced."""
        if self._replaced:
            self._replaced = False
            self._tidy([self._file])

    def _tidy(self, files: Iterable[Path]) -> dict[str, int]:
        """Drop older rows of a frame, and a last row that is not whole; return the frames and the numbers of their rows."""
        files = [*files]
        newest = max(file.stat().st_mtime_ns for file in files)
        last = {name: number for number, (name, _) in enumerate(self._pairs(files))}
        with atomic_write(self._file) as temporary, temporary.open('w', encoding='utf-8', errors='surrogateescape') as opened:
            opened.write(self._header)
            opened.writelines(row for number, (name, row) in enumerate(self._pairs(files)) if last.get(name) == number)
            opened.flush()
            os.utime(temporary, ns=(newest, newest))  # where two files have a frame, the newer file counts
        return last

    def _pairs(self, files: Iterable[Path]) -> Iterator[tuple[str, str]]:
        return pairs(files, self._parse, self._header)


def pairs(files: Iterable[Path], parse: Parse, header: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a frame's name and its row in files; another process may be writing there.

    Raises:
        InputError: A file begins with another header.
        OSError: A file cannot be read.
    """
    for file in filter(Path.exists, files):
        # Only \n ends a line, and what is no UTF-8 is kept, since names of files may hold anything.
        with file.open(encoding='utf-8', errors='surrogateescape', newline='\n') as opened:
            if header and (first := opened.readline()) not in (header, ''):
                raise InputError(f'{file}: begins with {first!a:.80}, so it is not from this predict; give another folder')
            yield from parse(line for line in opened if line.endswith('\n'))
