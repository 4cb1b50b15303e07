"""The protocol, and which library runs which file."""

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np

from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.errors import InputError

# Ending of a file's name -> module of this package whose load() runs it.
SUFFIXES = {
    '.onnx': 'onnx_runtime',
    '.xml': 'openvino_runtime',
    '.engine': 'tensorrt_runtime',
    '.pt2': 'torch_runtime',
}


class Runtime(Protocol):
    """A file, loaded by a library.

    Attributes:
        name: Of the library.
        precision: What it computes in, ``'int8, bf16'`` for example.
        metadata: What the file says about itself.
    """

    name: str
    precision: str
    metadata: Metadata

    def __call__(self, frames: np.ndarray) -> Sequence[np.ndarray]:
        """Run the graph; several threads may do so at once.

        Args:
            frames: ``(N, height, width, 3)``, uint8, BGR, contiguous, of a size and number that the file takes.

        Returns:
            The mask ``(N, height, width)``, uint8, and, if the file gives it, the margin of that shape, float32.
        """
        ...


def load_runtime(file: Path, device: str | None, threads: int | None, precision: str | None) -> Runtime:
    """Load a file with the library for its kind; see :class:`~mmseg_bisenet_lite.deploy.Segmenter` for the arguments.

    Raises:
        InputError: See there.
    """
    if file.suffix not in SUFFIXES:
        raise InputError(f'{file}: not an exported file; those end in {", ".join(SUFFIXES)}')
    if not file.is_file():
        raise InputError(f'{file}: there is no such file')
    cores = os.cpu_count() or 1
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= cores):
        raise InputError(f'threads={threads!r}: give a whole number from 1 to {cores}, the cores of this machine')
    module = import_module(f'mmseg_bisenet_lite.deploy.runtimes.{SUFFIXES[file.suffix]}')
    runtime: Runtime = module.load(file, device, threads, precision)
    return runtime


def only_precision(metadata: Metadata, precision: str | None, file: Path) -> str:
    """The file's precision, for runtimes that cannot choose.

    Raises:
        InputError: Another one is asked for.
    """
    if precision not in (None, metadata.precision):
        raise InputError(f'{file}: its precision is {metadata.precision}; for {precision} export it anew')
    return metadata.precision
