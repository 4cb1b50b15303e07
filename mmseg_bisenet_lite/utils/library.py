"""Import of optional libraries."""

import os
from importlib import import_module
from importlib.metadata import version
from types import ModuleType

from mmseg_bisenet_lite.utils.errors import InputError, first_line

# Distributions that run exported files.
RUNTIMES = ('onnxruntime', 'onnxruntime-gpu', 'openvino', 'tensorrt')


def require(module: str, distribution: str) -> ModuleType:
    """Import an optional library.

    Args:
        module: Name of the module to import.
        distribution: Name of the package to install if it is missing.

    Raises:
        InputError: The module is missing, or it is installed and cannot be imported, such as beside a NumPy that it was not
            built for.
    """
    if module.partition('.')[0] == 'onnxruntime':
        # Otherwise its import makes a device id and a database of usage in the home's cache, also on Linux (seen with 1.32).
        os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        name = error.name or module
        if module == name or module.startswith(f'{name}.'):
            raise InputError(f'{module} cannot be imported ({first_line(error)}): run pip install {distribution}') from error
        reason: BaseException = error
    # A library built for another NumPy raises ImportError, AttributeError or RuntimeError; the reason may be in what it was
    # raised from. A shared library that is missing is an OSError or an ImportError.
    except (ImportError, AttributeError, RuntimeError, OSError, ValueError) as error:
        reason = error
    raise InputError(
        f'{module} is installed, but cannot be imported ({reason_of(reason)}): run pip install --upgrade {distribution} numpy'
    ) from reason


def reason_of(error: BaseException) -> str:
    """Return why an import failed; where a library keeps that to itself, what it is likely to be."""
    cause: BaseException | None = error
    while cause is not None:
        if str(cause).strip():
            return first_line(cause)
        cause = cause.__cause__ or cause.__context__
    return f'{type(error).__name__} without a reason; it may have been built for another NumPy than {version("numpy")}'
