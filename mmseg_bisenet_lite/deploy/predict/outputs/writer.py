"""Writer: the interface of all kinds of outputs; and Picture: the kinds that are one picture a frame."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.deploy.predict.frames import Result, Source
from mmseg_bisenet_lite.deploy.predict.outputs.folder import OutputFolder
from mmseg_bisenet_lite.deploy.predict.outputs.rows import Parse, Rows, pairs
from mmseg_bisenet_lite.utils.images import write_image

MaskValues = Literal['0/1', '0/255']


@dataclass(frozen=True)
class Setting:
    """What all writers of a run share.

    Attributes:
        folder: Where they write.
        metadata: Classes and colours.
        sources: Where the frames come from.
        mask_values: Values of background and foreground in mask pictures.
        part: Name of the part of the inputs that this run has, such as ``'2of8'``; ``None`` if it has all.
        options: What the results depend on besides the frames: the network and its options, in words.
    """

    folder: OutputFolder
    metadata: Metadata
    sources: Sequence[Source]
    mask_values: MaskValues
    part: str | None
    options: str = ''

    def table(self, name: str, suffix: str) -> str:
        """Return the name of a file that has something of every frame, such as ``'summary-2of8.csv'``."""
        return f'{name}-{self.part}{suffix}' if self.part else f'{name}{suffix}'

    def rows(self, name: str, suffix: str, parse: Parse, header: str = '') -> Rows:
        """Return the rows of such a file; a run of all inputs takes over those of earlier runs of parts."""
        parts = () if self.part else self.folder.path.glob(f'{name}-*of*{suffix}')
        return Rows(self.folder.file(self.table(name, suffix)), parse, header, parts)

    def rows_of_all(self, name: str, suffix: str, parse: Parse, header: str = '') -> Iterator[str]:
        """Yield the rows of runs of all inputs and of all parts, those of the newest file last."""
        files = {*self.folder.path.glob(f'{name}{suffix}'), *self.folder.path.glob(f'{name}-*of*{suffix}')}
        yield from (row for _, row in pairs(sorted(files, key=lambda file: file.stat().st_mtime_ns), parse, header))


def input_of(source: Source, number: int) -> str:
    """Return the absolute path of the file with a frame; of a stream or a camera its label."""
    files = source.files
    return os.path.abspath(files[min(number, len(files) - 1)]) if files else source.label  # noqa: PTH100


def modified(path: str) -> float:
    """Return when a file was last changed, in seconds since 1970; 0 if it is gone."""
    try:
        return round(os.stat(path).st_mtime, 3)  # noqa: PTH116  100,000 times
    except OSError:
        return 0.0


class Writer(ABC):
    """Writes one kind of output."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    @abstractmethod
    def done(self, name: str, source: Source) -> bool:
        """Whether the output of a frame exists."""

    @abstractmethod
    def write(self, result: Result) -> None:
        """Write a result; several threads may call this at once.

        Raises:
            InputError: The result cannot be encoded, or an input would be replaced.
            OSError: The file cannot be written.
        """

    def close(self, complete: bool) -> None:  # noqa: B027  most kinds have nothing to do
        """Finish; after an error or an interruption, ``complete`` is ``False``."""


class Picture(Writer):
    """Writes one picture for each frame, into a folder of its kind.

    Attributes:
        kind: Name of the folder.
        suffix: Suffix of the pictures.
        options: OpenCV's options of the encoder.
        texts: Texts in each picture's metadata, for PNG.
    """

    kind: ClassVar[str]
    suffix: ClassVar[str] = '.png'
    options: ClassVar[Sequence[int]] = ()
    texts: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def picture(self, result: Result) -> np.ndarray:
        """Return the pixels of the picture of a result."""

    def done(self, name: str, source: Source) -> bool:
        """Whether the picture of a frame exists."""
        return (self.setting.folder.path / self._name(name)).is_file()

    def write(self, result: Result) -> None:
        """Write the picture of a result; it replaces an earlier one, or a link, of its name."""
        write_image(self.setting.folder.file(self._name(result.frame.name)), self.picture(result), self.options, self.texts)

    def _name(self, name: str) -> str:
        return f'{self.kind}/{name}{self.suffix}'
