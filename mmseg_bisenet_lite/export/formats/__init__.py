"""The kinds of files, one module each; ``write()`` of each makes one."""

from importlib import import_module
from types import ModuleType

# Name on the command line -> module here, and the ending of the file.
FORMATS = {
    'onnx': ('onnx_format', '.onnx'),
    'openvino': ('openvino_format', '.xml'),
    'tensorrt': ('tensorrt_format', '.engine'),
    'torch': ('torch_format', '.pt2'),
}


def format_module(name: str) -> ModuleType:
    """The module of a format, which imports the format's library only when it is used."""
    return import_module(f'{__name__}.{FORMATS[name][0]}')
