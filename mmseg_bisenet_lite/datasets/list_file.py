"""Lists of photographs, ``ann_file``: one photograph a line, by itself or with its label map."""

import re
from collections.abc import Iterator, Mapping
from os.path import normpath, relpath
from pathlib import Path

from mmengine.fileio import list_from_file

from mmseg_bisenet_lite.utils.errors import InputError, as_input_error


class Names:
    """The files of a folder, under the names that lists give them.

    A name may have its ending or not. It may be absolute, or relative to the folder, to ``data_root`` or to the working folder.

    Args:
        folder: The folder.
        files: The files: stem -> path, both relative to the folder.
        data_root: Folder of the data set.
    """

    def __init__(self, folder: str, files: Mapping[str, str], data_root: str | None) -> None:
        self.folder = folder
        self.roots = [folder, data_root or '.', '.']
        self.stems = {normpath(Path(path).with_suffix('')): stem for stem, path in files.items()}
        self.stems |= {normpath(name): stem for stem, path in files.items() for name in (stem, path)}

    def stem_of(self, name: str) -> str | None:
        """Return the stem of the file with this name; ``None`` if there is none."""
        for written in dict.fromkeys((name, name.replace('\\', '/'), name.lstrip('/'))):
            for root in self.roots:
                path = Path(root, written)
                for inside in (relpath(path, self.folder), relpath(path.resolve(), Path(self.folder).resolve())):
                    if (stem := self.stems.get(inside)) is not None:
                        return stem
        return None


def read_list(path: str, images: Names, labels: Names | None, backend_args: dict | None = None) -> list[tuple[str, str | None]]:
    """Return the stems of a list's photographs, and the stems of their label maps where the list names them.

    A line is a photograph, or a photograph and its label map, separated by a tab, a comma, a semicolon or blanks.

    Args:
        path: The list: text in UTF-8; a byte-order mark, blank lines and Windows' line ends do not matter.
        images: The photographs.
        labels: The label maps; ``None`` if the data set has none.
        backend_args: Arguments of MMEngine's file backend.

    Raises:
        InputError: The list cannot be read or is empty, or a line names no photograph.
    """
    unread = f'{path}: this list of photographs cannot be read'
    with as_input_error(unread, OSError), as_input_error(f'{unread}; save it as UTF-8 text', UnicodeError):
        lines = list_from_file(path, encoding='utf-8-sig', backend_args=backend_args)
    found: list[tuple[str, str | None]] = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line:
            continue
        stem = images.stem_of(line)
        label = None
        if stem is None:
            stem, label = _pair(line, images, labels, f'{path}, line {number}: {line}')
        found.append((stem, label))
    if not found:
        raise InputError(f'{path}: this list is empty; name a photograph a line')
    return found


def _pair(line: str, images: Names, labels: Names | None, where: str) -> tuple[str, str]:
    pairs = [(image, right) for left, right in _splits(line) if (image := images.stem_of(left)) is not None]
    if not pairs:
        raise InputError(
            f'{where} is not among the photographs in {images.folder}; correct or remove the line, or add the file'
        )
    if labels is None:
        raise InputError(f"{where} names a label map, but the data set has none; set data_prefix's seg_map_path")
    complete = {(image, label) for image, right in pairs if (label := labels.stem_of(right)) is not None}
    if len(complete) != 1:
        problem = 'can be read in several ways' if complete else f'names a label map that is not in {labels.folder}'
        raise InputError(f'{where} {problem}; write PHOTOGRAPH, a tab and LABEL_MAP')
    return complete.pop()


def _splits(line: str) -> Iterator[tuple[str, str]]:
    """Yield the two parts of a line for each place where it can be split."""
    for separator in re.finditer(r'\s*[\t,;]\s*|\s+', line):
        yield line[: separator.start()], line[separator.end() :]
