"""OutputFolder: where painted frames are written, never over an input."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.deploy.sources import Images, Source
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import SUFFIXES, output_name, write_image

_VIDEOS = ('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm', '.wmv')


class OutputFolder:
    """A folder for pictures; it is created if necessary.

    Args:
        folder: The folder.
        source: Where the frames come from; its files stay as they are.

    Raises:
        InputError: The folder is named like a picture or a video, is a file, holds the inputs or cannot be created; an output
            would replace an input; or two outputs have one name.
    """

    def __init__(self, folder: Path, source: Source) -> None:
        self.folder = folder
        self._inputs = {identity: file for file in source.files if (identity := _identity(file))}
        if folder.exists() and not folder.is_dir():
            raise InputError(f'--out {folder}: this is a file; give a folder')
        if not folder.exists() and folder.suffix.lower() in (*SUFFIXES, *_VIDEOS):
            raise InputError(f'--out {folder}: give a folder, not the name of a file; every frame is written as a picture')
        if folder.exists() and _identity(folder) in _folders(source.files):
            raise InputError(f'--out {folder}: this folder holds the input frames; give another folder')
        self._check_names(source.files if isinstance(source, Images) else ())
        with as_input_error(f'--out {folder}: this folder cannot be created or written to', OSError):
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, pixels: np.ndarray) -> None:
        """Write a picture, (height, width, 3), uint8, BGR; it replaces an earlier one, or a link, of that name.

        Raises:
            InputError: It cannot be written, or it would replace an input.
        """
        self._check(name)
        with as_input_error(f'--out {self.folder}: {name} cannot be written to this folder', OSError):
            write_image(self.folder / name, pixels)

    def _check_names(self, files: Iterable[Path]) -> None:
        seen: dict[str, Path] = {}
        for file in files:
            name = output_name(file)
            self._check(name)
            other = seen.setdefault(unicodedata.normalize('NFC', name).casefold(), file)
            if other is not file:
                raise InputError(
                    f'--out {self.folder}: the outputs of {other.name} and {file.name} would be one file on some disks; '
                    'rename one of them'
                )

    def _check(self, name: str) -> None:
        identity = _identity(self.folder / name)
        if identity and (file := self._inputs.get(identity)):
            raise InputError(f'--out {self.folder}: {name} there is the input {file} itself; give another folder')


def _folders(files: Sequence[Path]) -> set[tuple[int, int] | None]:
    """Return the folders that files lie in; for links, those of their targets too."""
    links = (Path(os.path.realpath(file)) for file in files)
    return {_identity(folder) for folder in {each.parent for each in (*files, *links)}}


def _identity(file: Path) -> tuple[int, int] | None:
    """Return what two names of one file share, links too; ``None`` if there is no such file."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
