"""DecodedCache: decoded images on disk, of which single regions can be read."""

import hashlib
import os
import time
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.files import atomic_write

# Number of images that a worker writes before it measures the folder again.
RESCAN = 20

# Age in seconds from which a file that is being written belongs to a killed worker.
LEFT = 3600


class DecodedCache:
    """A folder of decoded images, shared by all workers and all later runs.

    An image that is not in the folder is decoded and written. Once the folder has reached its limit, nothing more is written
    and nothing is removed; for images that are drawn at random, this is as good as any other policy. An entry is valid as long
    as the path, the modification time and the size of its file stay the same.

    Args:
        folder: The folder; it is created if necessary.
        gib: Size limit of the folder in GiB, give or take a few images for each worker. The photographs and label maps of
            Cityscapes' train set take 23.

    Raises:
        InputError: The folder cannot be created, or the limit is not above 0.
    """

    def __init__(self, folder: str | Path, gib: float) -> None:
        if not gib > 0:
            raise InputError(f'cache_gib={gib}: give a number above 0')
        self.folder = Path(folder)
        self.limit = int(gib * 2**30)
        self.full = False
        self.written = 0  # number of images written by this worker
        self.used = 0
        with as_input_error(f'cache_dir={str(folder)!r}: this folder cannot be created or written to', OSError):
            self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, path: str, kind: str, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the pixels of a file; the disk is read only for the pixels that are used.

        Args:
            path: Path of a local file.
            kind: How the file is decoded; each kind has an entry of its own.
            decode: Function that returns the pixels.

        Raises:
            FileNotFoundError: The file is missing.
            InputError: The entry is damaged, or the path is not a local file.
        """
        if '://' in path:
            raise InputError(f'{path}: cache_dir works for local files only; remove it for other file backends')
        stat = Path(path).stat()
        key = f'{kind}|{Path(path).resolve()}|{stat.st_mtime_ns}|{stat.st_size}'
        entry = self.folder / f'{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy'
        try:
            with as_input_error(f'{entry}: this cache file is damaged; delete it', ValueError, EOFError):
                return np.asarray(np.load(entry, mmap_mode='c'))  # writing to the array does not change the file
        except FileNotFoundError:
            pixels = decode()
            if not self.full:
                self._write(entry, pixels)
            return pixels

    def _measured(self) -> int:
        """Return the size of the folder in bytes, and remove what killed workers were writing."""
        size = 0
        for file in os.scandir(self.folder):
            with suppress(FileNotFoundError):  # another worker has given it its final name meanwhile
                status = file.stat()
                size += status.st_size
                if file.name.endswith('.tmp') and time.time() - status.st_mtime > LEFT:
                    Path(file).unlink()
        return size

    def _write(self, entry: Path, pixels: np.ndarray) -> None:
        try:
            if self.written % RESCAN == 0:  # other workers write into the folder too
                self.used = self._measured()
            if self.used + pixels.nbytes > self.limit:
                self.full = True
                return
            # Another worker, perhaps on another machine, may be writing the same image.
            with atomic_write(entry, f'.{uuid.uuid4().hex}.tmp', durable=False) as temporary, temporary.open('wb') as file:
                np.save(file, pixels)
            self.written += 1
            self.used += pixels.nbytes
        except OSError as error:
            self.full = True
            warnings.warn(f'{self.folder}: caching stops, training continues: {error}', stacklevel=2)
