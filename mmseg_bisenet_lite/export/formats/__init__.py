"""The file formats, one module each with a function ``write()``."""

from dataclasses import replace
from pathlib import Path

from mmseg_bisenet_lite.deploy.digest import UNSEALED, seal
from mmseg_bisenet_lite.export.job import Job

# Name on the command line -> file suffix.
FORMATS = {'onnx': '.onnx', 'openvino': '.xml', 'tensorrt': '.engine'}


def write(name: str, job: Job, file: Path) -> list[str]:
    """Write a file in one of ``FORMATS``, importing only the library that this format needs.

    Args:
        name: Key of ``FORMATS``.
        job: The inputs for the file.
        file: Output file; its folder must exist.

    Returns:
        The layers of an int8 file that are kept in higher precision.

    Raises:
        InputError: A library is missing, or the format does not support the precision.
    """
    layers = _write(name, replace(job, metadata=replace(job.metadata, file_sha256=UNSEALED)), file)
    seal(file)
    return layers


def _write(name: str, job: Job, file: Path) -> list[str]:
    match name:
        case 'onnx':
            from mmseg_bisenet_lite.export.formats import onnx_format

            return onnx_format.write(job, file)
        case 'openvino':
            from mmseg_bisenet_lite.export.formats import openvino_format

            return openvino_format.write(job, file)
        case 'tensorrt':
            from mmseg_bisenet_lite.export.formats import tensorrt_format

            return tensorrt_format.write(job, file)
    raise ValueError(f'unknown format {name!r}; choose one of {", ".join(FORMATS)}')
