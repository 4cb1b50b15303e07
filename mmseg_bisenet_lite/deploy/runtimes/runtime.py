"""Runtime: the protocol of all runtimes, and the functions that load one."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from mmseg_bisenet_lite.compat import host_problem
from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.pretrained.names import checkpoint_file, with_scheme
from mmseg_bisenet_lite.utils.errors import InputError

# Suffixes of the files that :func:`load_runtime` loads.
SUFFIXES = ('.onnx', '.xml', '.engine')


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


def load_runtime(file: Path, device: str | None, threads: int | None, precision: str | None) -> Runtime:
    """Load a file with the library for its suffix; see :class:`~mmseg_bisenet_lite.deploy.Segmenter` for the arguments.

    Raises:
        InputError: As for ``Segmenter``.
    """
    if file.suffix in SUFFIXES and not file.is_file():
        raise InputError(f'{file}: there is no such file')
    check_threads(threads)
    # Import a library only when a file of its kind is loaded.
    match file.suffix:
        case '.onnx':
            from mmseg_bisenet_lite.deploy.runtimes.onnx_runtime import OnnxRuntime

            return OnnxRuntime(file, device, threads, precision)
        case '.xml':
            from mmseg_bisenet_lite.deploy.runtimes.openvino_runtime import OpenvinoRuntime

            return OpenvinoRuntime(file, device, threads, precision)
        case '.engine':
            from mmseg_bisenet_lite.deploy.runtimes.tensorrt_runtime import TensorrtRuntime

            return TensorrtRuntime(file, device, threads, precision)
    raise InputError(f'{file}: not an exported file; the names of exported files end in {", ".join(SUFFIXES)}')


def only_precision(metadata: Metadata, precision: str | None, file: Path) -> str:
    """Return the file's precision, for runtimes that cannot choose.

    Raises:
        InputError: ``precision`` is another one.
    """
    if precision not in (None, metadata.precision):
        raise InputError(f'{file}: its precision is {metadata.precision}; for {precision}, export it again')
    return metadata.precision


def check_threads(threads: int | None) -> None:
    """Raise an :class:`InputError` unless ``threads`` is between 1 and the number of cores, or ``None``."""
    cores = os.cpu_count() or 1
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= cores):
        raise InputError(f'threads={threads!r}: give a whole number from 1 to {cores}, the cores of this machine')


def load_pretrained(
    name: str,
    device: str | None,
    threads: int | None,
    precision: str | None,
    size: tuple[int, int] | None = None,
    threshold: str | float | None = None,
) -> Runtime:
    """Load weights of the package with PyTorch; see :class:`~mmseg_bisenet_lite.deploy.Segmenter` for the arguments.

    Raises:
        InputError: As for ``Segmenter``; or the host is not installed.
    """
    checkpoint_file(with_scheme(name))
    check_threads(threads)
    if problem := host_problem():
        raise InputError(
            f'{name}: the weights that come with the package run in PyTorch with MMSegmentation ({problem}); where only a '
            'runtime is installed, give a file of tools/export.py'
        )
    from mmseg_bisenet_lite.deploy.runtimes.torch_runtime import TorchRuntime

    return TorchRuntime(name, device, threads, precision, size, threshold)
