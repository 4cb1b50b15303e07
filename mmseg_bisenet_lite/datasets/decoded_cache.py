"""Decoded images on the disk: a region of one is read without decoding the whole."""

import hashlib
import os
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.files import atomic_write

# After so many images of its own a worker looks again how large the folder has become.
RESCAN = 20


class DecodedCache:
    """A folder of decoded images, shared by all workers and all later runs.

    An image that is not there is decoded and written; once the folder has reached its limit, nothing more is written and
    nothing thrown out, which for images that are drawn at random is as good as any other policy. An entry is that of a file as
    long as its path, time of change and size stay the same.

    Args:
        folder: Where it is; it is made if need be.
        gib: How large it may become, in GiB, give or take a few images for each worker. Cityscapes' photographs and label maps
            for training take 23.

    Raises:
        InputError: The folder cannot be made, or the limit is not above 0.
    """

    def __init__(self, folder: str | Path, gib: float) -> None:
        if not gib > 0:
            raise InputError(f'cache_gib={gib}: give a number above 0')
        self.folder = Path(folder)
        self.limit = int(gib * 2**30)
        self.full = False
        self.written = 0  # since the folder was last looked through
        self.used = 0
        with as_input_error(f'cache_dir={str(folder)!r}: this folder cannot be created or written to', OSError):
            self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, path: str, kind: str, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """The pixels of a file, read only as far as they are used.

        Args:
            path: The file, a local one.
            kind: How it is decoded; another kind is another entry.
            decode: Gives its pixels.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: Its entry is damaged, or it is no local file.
        """
        if '://' in path:
            raise InputError(f'{path}: cache_dir works for local files only; remove it for other file backends')
        stat = Path(path).stat()
        key = f'{kind}|{Path(path).resolve()}|{stat.st_mtime_ns}|{stat.st_size}'
        entry = self.folder / f'{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy'
        try:
            with as_input_error(f'{entry}: this cache file is damaged; delete it', ValueError, EOFError):
                return np.asarray(np.load(entry, mmap_mode='c'))  # whoever writes into it writes into a copy
        except FileNotFoundError:
            pixels = decode()
            if not self.full:
                self._write(entry, pixels)
            return pixels

    def _write(self, entry: Path, pixels: np.ndarray) -> None:
        try:
            if self.written % RESCAN == 0:  # others write into the folder too
                self.used = sum(file.stat().st_size for file in os.scandir(self.folder))
            if self.used + pixels.nbytes > self.limit:
                self.full = True
                return
            # Another worker may be writing the same image, on another machine too.
            with atomic_write(entry, f'.{uuid.uuid4().hex}.tmp') as temporary, temporary.open('wb') as file:
                np.save(file, pixels)
            self.written += 1
            self.used += pixels.nbytes
        except OSError as error:
            self.full = True
            warnings.warn(f'{self.folder}: caching stops, training continues: {error}', stacklevel=2)
