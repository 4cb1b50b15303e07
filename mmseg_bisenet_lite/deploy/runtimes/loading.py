"""Which library runs which file."""

from pathlib import Path

from mmseg_bisenet_lite.compat import host_problem
from mmseg_bisenet_lite.deploy.runtimes.runtime import Runtime, check_threads
from mmseg_bisenet_lite.pretrained.names import SCHEME, checkpoint_file, names, with_scheme
from mmseg_bisenet_lite.utils.errors import InputError

# Suffixes of the files that :func:`load_runtime` loads.
SUFFIXES = ('.onnx', '.xml', '.engine')


# Files that are taken for exported ones, and what to give instead.
OTHERS = {
    '.bin': "it holds OpenVINO's weights; give the .xml file beside it",
    '.pth': 'it is a checkpoint; export it with tools/export.py first, or predict with --checkpoint and its config',
    '.pt': 'it is a checkpoint; export it with tools/export.py first, or predict with --checkpoint and its config',
    '.ckpt': 'it is a checkpoint; export it with tools/export.py first, or predict with --checkpoint and its config',
    '.safetensors': 'these are weights; give bisenet-lite://NAME, or export them with tools/export.py first',
    '.pt2': 'no longer read; export it again with tools/export.py, as onnx, openvino or tensorrt',
}


def load_runtime(file: str | Path, device: str | None, threads: int | None, precision: str | None) -> Runtime:
    """Load a file with the library for its suffix; see :class:`~mmseg_bisenet_lite.deploy.Segmenter` for the arguments.

    Raises:
        InputError: As for ``Segmenter``.
    """
    if not isinstance(file, str | Path):
        raise InputError(f'{file}: give the path of an exported file, or {SCHEME}NAME')
    if str(file).startswith(SCHEME[:-1]):  # a Path has lost a slash
        raise InputError(f'{file}: not a path on this machine; give the name as a text, {SCHEME}NAME')
    if '://' in str(file):
        raise InputError(f'{file}: not a path on this machine; download the file, or give {SCHEME}NAME')
    file = Path(file)
    kind = file.suffix.lower()
    if file.is_dir():
        raise InputError(f'{file}: a folder; give an exported file in it, whose name ends in {", ".join(SUFFIXES)}')
    if kind in SUFFIXES and not file.is_file():
        raise InputError(f'{file}: there is no such file')
    check_threads(threads)
    # Import a library only when a file of its kind is loaded.
    match kind:
        case '.onnx':
            from mmseg_bisenet_lite.deploy.runtimes.onnx_runtime import OnnxRuntime

            return OnnxRuntime(file, device, threads, precision)
        case '.xml':
            from mmseg_bisenet_lite.deploy.runtimes.openvino_runtime import OpenvinoRuntime

            return OpenvinoRuntime(file, device, threads, precision)
        case '.engine':
            from mmseg_bisenet_lite.deploy.runtimes.tensorrt_runtime import TensorrtRuntime

            return TensorrtRuntime(file, device, threads, precision)
    if str(file) in names():
        raise InputError(f'{file}: there is no such file; give {with_scheme(str(file))} for the weights in the package')
    reason = OTHERS.get(kind, f'the names of exported files end in {", ".join(SUFFIXES)}')
    raise InputError(f'{file}: not an exported file; {reason}')


def load_pretrained(
    name: str,
    device: str | None,
    threads: int | None,
    precision: str | None,
    size: tuple[int, int] | None = None,
    threshold: str | float | None = None,
    config: str | None = None,
) -> Runtime:
    """Load weights of the package, or with ``config`` a checkpoint, with PyTorch; for the arguments see ``Segmenter``.

    Raises:
        InputError: As for ``Segmenter``; or the host is not installed.
    """
    checkpoint_file(with_scheme(name) if config is None else name)
    check_threads(threads)
    if problem := host_problem():
        what = f'{name}: the weights that come with the package run' if config is None else f'{config}: a config runs'
        raise InputError(
            f'{what} in PyTorch with MMSegmentation ({problem}); where only a runtime is installed, give a file of '
            'tools/export.py'
        )
    from mmseg_bisenet_lite.deploy.runtimes.torch_runtime import TorchRuntime

    return TorchRuntime(name, device, threads, precision, size, threshold, config)
