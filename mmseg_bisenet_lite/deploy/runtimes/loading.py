"""Which library runs which file."""

from pathlib import Path

from mmseg_bisenet_lite.compat import host_problem
from mmseg_bisenet_lite.deploy.runtimes.runtime import Runtime, check_threads
from mmseg_bisenet_lite.pretrained.names import checkpoint_file, with_scheme
from mmseg_bisenet_lite.utils.errors import InputError

# Suffixes of the files that :func:`load_runtime` loads.
SUFFIXES = ('.onnx', '.xml', '.engine')


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
