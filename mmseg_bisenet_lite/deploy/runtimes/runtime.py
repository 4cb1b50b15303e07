"""The protocol of a loaded file, and what runtimes check alike."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.utils.cpu import usable_cores
from mmseg_bisenet_lite.utils.errors import InputError


class Runtime(Protocol):
    """An exported file, loaded by a library.

    Attributes:
        name: Name of the library.
        precision: Precision of the computation, such as ``'fp32'`` or ``'int8, bf16'``.
        metadata: Metadata of the file.
    """

    name: str
    precision: str
    metadata: Metadata

    def __call__(self, frames: np.ndarray) -> Sequence[np.ndarray]:
        """Run the graph; several threads may call this at once.

        Args:
            frames: ``(N, height, width, 3)``, uint8, BGR, contiguous, in a size and number that the file accepts.

        Returns:
            The mask ``(N, height, width)``, uint8, and, if the file has it, the margin ``(N, height, width)``, float32.
        """
        ...


def only_precision(metadata: Metadata, precision: str | None, file: Path) -> str:
    """Return the file's precision, for runtimes that cannot choose.

    Raises:
        InputError: ``precision`` is another one.
    """
    if precision not in (None, metadata.precision):
        raise InputError(f'{file}: its precision is {metadata.precision}; for {precision}, export it again')
    return metadata.precision


def check_threads(threads: int | None) -> None:
    """Raise an :class:`InputError` unless ``threads`` is between 1 and the number of usable cores, or ``None``."""
    cores = usable_cores()
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= cores):
        raise InputError(f'threads={threads!r}: give a whole number from 1 to {cores}, the cores that this process may use')
