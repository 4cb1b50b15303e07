"""The kinds of files, one module each; ``write()`` of each makes one."""

from pathlib import Path

from mmseg_bisenet_lite.export.job import Job

# Name on the command line -> ending of the file.
FORMATS = {'onnx': '.onnx', 'openvino': '.xml', 'tensorrt': '.engine'}


def write(name: str, job: Job, file: Path) -> list[str]:
    """Write a file of one of ``FORMATS``; each format's library is imported only when it is written.

    Args:
        name: Of the format.
        job: What to write.
        file: Its folder exists.

    Returns:
        Of an int8 file, the layers that are kept in higher precision.

    Raises:
        InputError: A library is missing, or the format has no such precision.
    """
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
