"""Names: what the outputs of each input are called, so that no two inputs share one."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from mmseg_bisenet_lite.deploy.predict.sources.video import VIDEOS
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import SUFFIXES

_ENDINGS = (*SUFFIXES, *VIDEOS)


class Names:
    """Names of the outputs of files: their paths below a common folder, without suffixes where they are unique without.

    Names that differ only in capitals or in their Unicode form are the same on some disks, so they count as equal here.

    Args:
        images: Image files.
        videos: Video files; the frames of each lie in a folder of its name.
        folders: Folders that the user named, or those of the files that the user named.
    """

    def __init__(self, images: Sequence[Path], videos: Sequence[Path], folders: Iterable[Path]) -> None:
        absolute = {os.path.abspath(folder) for folder in folders}  # noqa: PTH100  resolve() would follow links
        self._start = len(os.path.join(os.path.commonpath(absolute), '')) if absolute else 0  # noqa: PTH118
        self._files = images, videos
        short: set[str] = set()
        twice: set[str] = set()
        full: set[str] = set()
        for file in chain(images, videos):
            path = self._below(file)
            name = _folded(_stem(path))
            (twice if name in short else short).add(name)
            full.add(_folded(path))
        self._parents = {_folded(parent) for parent in {os.path.dirname(self._below(image)) for image in images}}  # noqa: PTH120
        self._parents |= {str(above) for parent in self._parents for above in Path(parent).parents}
        own = {_folded(_stem(self._below(video))) for video in videos}
        self._ambiguous = twice | (short & full) | (own & self._parents)

    def __call__(self, file: Path) -> str:
        """Return the name of a file's outputs, with ``/`` between folders."""
        path = self._below(file)
        stem = _stem(path)
        return (path if _folded(stem) in self._ambiguous else stem).replace(os.sep, '/')

    def check(self) -> None:
        """Raise an :class:`InputError` if two files have one name all the same, as on disks that see no capitals."""
        seen: dict[str, Path] = {}
        images, videos = self._files
        for file in chain(images, videos):
            other = seen.setdefault(_folded(self(file)), file)
            if other is not file:
                raise InputError(
                    f'--out: the outputs of {other} and {file} would be one file on some disks; rename one of them'
                )
        for video in videos:
            if _folded(self(video)) in self._parents:
                raise InputError(f'--out: the outputs of {video} would lie among those of a folder of its name; rename it')

    def _below(self, file: Path) -> str:
        return os.path.abspath(file)[self._start :]  # noqa: PTH100


def _stem(path: str) -> str:
    stem, suffix = os.path.splitext(path)  # noqa: PTH122
    return stem if suffix.lower() in _ENDINGS else path


def _folded(name: str) -> str:
    return unicodedata.normalize('NFC', name).casefold()
