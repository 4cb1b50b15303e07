"""OutputFolder: where outputs are written, never over an input."""

import stat
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

from mmseg_bisenet_lite.deploy.predict.frames import Source
from mmseg_bisenet_lite.deploy.predict.sources.video import VIDEOS
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import SUFFIXES

_Identity = tuple[int, int]  # (device, number of the file there), which all names of a file share


class OutputFolder:
    """A folder for outputs; it is created if necessary.

    Attributes:
        path: The folder.

    Args:
        path: The folder.
        sources: Where the frames come from; their files stay as they are.
        kinds: Names of the folders in it that outputs go to.

    Raises:
        InputError: The folder is named like a picture or a video, is a file, holds inputs or cannot be created; or inputs are
            among the outputs.
    """

    def __init__(self, path: Path, sources: Sequence[Source], kinds: Collection[str]) -> None:
        self.path = path
        self._sources = sources
        if path.exists() and not path.is_dir():
            raise InputError(f'--out {path}: this is a file; give a folder')
        if not path.exists() and path.suffix.lower() in (*SUFFIXES, *VIDEOS):
            raise InputError(f'--out {path}: give a folder, not the name of a file; each kind of output is a folder in it')
        folders = _folders(sources)
        self._input_folders = {_identity(folder) for folder in folders} - {None}
        if path.exists() and _identity(path) in self._input_folders:
            raise InputError(f'--out {path}: this folder holds the input frames; give another folder')
        real, first = path.resolve(), [(kind,) for kind in kinds]
        for folder in folders:  # after a run into a folder among the inputs, its outputs would be inputs
            if folder.is_relative_to(real) and folder.relative_to(real).parts[:1] in first:
                raise InputError(f'--out {path}: its outputs in {folder} are inputs too; give a folder outside of the inputs')
        with as_input_error(f'--out {path}: this folder cannot be created or written to', OSError):
            path.mkdir(parents=True, exist_ok=True)

    def file(self, name: str) -> Path:
        """Return the path of an output that is to be written; its folder is there.

        Args:
            name: Path below this folder.

        Raises:
            InputError: The output would replace an input.
            OSError: The output's folder cannot be created.
        """
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if _identity(file.parent) in self._input_folders:
            raise InputError(f'--out {self.path}: {Path(name).parent} there holds input frames; give another folder')
        try:
            status = file.lstat()
        except FileNotFoundError:
            return file
        # A file of one name that is no link has that name only, and an input would be in a folder of inputs.
        if (stat.S_ISLNK(status.st_mode) or status.st_nlink > 1) and _identity(file) in self._inputs:
            raise InputError(f'--out {self.path}: {name} there is the input {file.resolve()} itself; give another folder')
        return file

    @cached_property
    def _inputs(self) -> set[_Identity | None]:
        """The inputs; they are looked up only once an output is a link, since there may be 100,000."""
        return {_identity(file) for source in self._sources for file in source.files} - {None}


def _folders(sources: Sequence[Source]) -> set[Path]:
    """Return the folders that the inputs lie in, without links; of inputs that are links, those of their targets too."""
    folders: set[str] = set()
    for source in sources:
        for file in source.files:
            folders.add(str(file.parent))
            if file.is_symlink():
                folders.add(str(file.resolve().parent))
    return {Path(folder).resolve() for folder in folders}


def _identity(file: Path) -> _Identity | None:
    """Return what all names of one file share, links too; ``None`` if there is no such file."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
