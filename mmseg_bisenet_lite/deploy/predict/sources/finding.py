"""Inputs: the files, streams and cameras that a user's texts name."""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mmseg_bisenet_lite.deploy.predict.sources.video import VIDEOS
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import images_in, is_picture

T = TypeVar('T')

_NUMBERED = re.compile(r'(?P<before>[^%]*)%(?:0(?P<digits>\d+))?d(?P<after>[^%]*)')


@dataclass
class Inputs:
    """What a user named.

    Attributes:
        images: Image files.
        videos: Video files.
        sequences: Texts and files of numbered images.
        streams: Cameras, streams, devices and pipelines, as the user wrote them.
        folders: Folders to which the names of outputs are relative.
        left_out: Text of the user -> files there that are neither images nor videos.
    """

    images: list[Path] = field(default_factory=list)
    videos: list[Path] = field(default_factory=list)
    sequences: list[tuple[str, list[Path]]] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    left_out: dict[str, list[Path]] = field(default_factory=dict)

    def add(self, folder: Path, images: Iterable[Path] = (), videos: Iterable[Path] = ()) -> None:
        """Add files whose names of outputs are relative to a folder."""
        self.folders.append(folder)
        self.images += images
        self.videos += videos

    def drop_repeated(self) -> int:
        """Keep each file once, at its first place, and in a sequence rather than alone; return how many were dropped."""
        before = len(self.images) + len(self.videos) + len(self.sequences)
        numbered = {_absolute(file) for _, files in self.sequences for file in files}
        self.images[:] = [file for path, file in _first(self.images).items() if path not in numbered]
        self.videos[:] = _first(self.videos).values()
        self.sequences[:] = _first(self.sequences, lambda sequence: sequence[0]).values()
        return before - len(self.images) - len(self.videos) - len(self.sequences)

    def check_shared(self, option: str) -> None:
        """Raise an :class:`InputError`, which names an option, if there is anything that machines cannot share."""
        if unfit := [*self.streams, *(text for text, _ in self.sequences)]:
            raise InputError(f'{option}: {unfit[0]} cannot be shared out; give images, folders, patterns, lists and videos')


def _absolute(path: str | Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100  however it is written; resolve() would follow links


def _first(items: Iterable[T], path_of: Callable[[T], Any] = lambda item: item) -> dict[str, T]:
    """Return the first item of each path, in order."""
    first: dict[str, T] = {}
    for item in items:
        first.setdefault(_absolute(path_of(item)), item)
    return first


def find(texts: Iterable[str], recursive: bool = False) -> Inputs:
    """Find what a user names.

    Args:
        texts: Each is an image; a folder of images and videos; a pattern with ``*``, ``?``, ``[...]`` or ``**``; a ``.txt``
            file that names images and videos, one a line, relative to the folder of the list; a pattern of numbered images,
            such as ``a/%04d.png``; a video; a URL, device or pipeline that OpenCV opens; or the number of a camera.
        recursive: Whether the folders below a folder are read too.

    Raises:
        InputError: There is no such file, or nothing to segment in a folder, a list or a pattern; or no text is a folder
            although ``recursive`` is set.
    """
    inputs, any_folder = Inputs(), False
    for text in texts:
        any_folder |= bool(text) and Path(text).is_dir()
        _find_one(inputs, text, recursive)
    if recursive and not any_folder:
        raise InputError('--recursive: no SOURCE is a folder; give a folder, or leave --recursive out')
    return inputs


def _find_one(inputs: Inputs, text: str, recursive: bool) -> None:
    if not text:
        raise InputError('SOURCE is empty; is a variable of the shell empty?')
    path = Path(text)
    pattern = _NUMBERED.fullmatch(path.name)
    if path.is_dir():
        with as_input_error(f'{text}: this folder cannot be read', OSError):
            images, others = images_in(_deep(path) if recursive else path.iterdir())
        _take(inputs, text, path, images, others, 'in this folder')
    elif path.exists() and path.suffix.lower() == '.txt':
        _take_list(inputs, path)
    elif pattern and not path.exists() and is_picture(path):
        inputs.sequences.append((text, _numbered_images(path, pattern)))
        inputs.folders.append(path.parent)
    elif '://' not in text and is_picture(path) and not (glob.has_magic(text) and not path.exists()):
        inputs.add(path.parent, [path])
    elif path.is_file():
        with as_input_error(f'{text!a}: OpenCV opens only names in UTF-8; rename it', UnicodeEncodeError):
            text.encode()
        inputs.add(path.parent, videos=[path])
    elif text.isdecimal() or path.exists() or any(mark in text for mark in ('://', '!', '%')):
        inputs.streams.append(text)
    elif glob.has_magic(text):
        found = [Path(name) for name in glob.iglob(text, recursive=True)]  # noqa: PTH207  it leaves out what is hidden
        images, others = images_in(file for file in found if not file.is_dir())
        _take(inputs, text, _fixed_part(path), images, others, 'with such names')
    else:
        raise InputError(
            f'{text}: there is no such file; give an image, a folder, a pattern, a list, a video, a stream or the number of a '
            'camera'
        )


def _take(inputs: Inputs, text: str, folder: Path, images: list[Path], others: list[Path], where: str) -> None:
    """Add the images, and those of the other files that are videos; the rest is left out."""
    videos = [file for file in others if _is_video(file) and not file.is_dir()]
    if not images and not videos:
        deeper = '; with --recursive the folders in it are read too' if any(file.is_dir() for file in others) else ''
        raise InputError(f'{text}: there are no images or videos {where}{deeper}')
    inputs.add(folder, images, videos)
    taken = set(videos)
    if left_out := [file for file in others if file not in taken]:
        inputs.left_out[text] = left_out


def _take_list(inputs: Inputs, file: Path) -> None:
    with as_input_error(f'{file}: this list cannot be read', OSError):
        data = file.read_bytes()
    with as_input_error(f'{file}: this list is not in UTF-8; save it in UTF-8', UnicodeDecodeError):
        lines = data.decode('utf-8-sig').splitlines()
    named = [file.parent / line.strip() for line in lines if line.strip()]
    if not named:
        raise InputError(f'{file}: this list names no files; write the path of an image or a video in each line')
    if unfit := next((line for line in lines if '://' in line or line.strip().isdecimal()), None):
        raise InputError(f'{file}: {unfit.strip()}: a list names images and videos; give streams and cameras as SOURCE')
    folder = Path(os.path.commonpath({os.path.abspath(name.parent) for name in named}))  # noqa: PTH100
    inputs.add(folder, [name for name in named if not _is_video(name)], filter(_is_video, named))


def _is_video(file: Path) -> bool:
    return file.suffix.lower() in VIDEOS


def _deep(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of those below it, without what is hidden; links to folders are not followed."""

    def fail(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        yield from (Path(parent, name) for name in names)


def _fixed_part(path: Path) -> Path:
    """Return the part of a pattern before the first folder with a mark."""
    fixed = Path(path.anchor)
    for part in path.parts[len(fixed.parts) : -1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


def _numbered_images(path: Path, pattern: re.Match[str]) -> list[Path]:
    number = re.compile(f'{re.escape(pattern["before"])}(\\d{{{int(pattern["digits"] or 1)},}}){re.escape(pattern["after"])}')
    with as_input_error(f'{path.parent}: this folder cannot be read', OSError):
        matches = [(match, file) for file in path.parent.iterdir() if (match := number.fullmatch(file.name))]
    if not matches:
        raise InputError(f'{path}: no images have such names')
    return [file for _, file in sorted((int(match[1]), file) for match, file in matches)]
