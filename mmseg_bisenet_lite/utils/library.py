"""Import of optional libraries."""

from importlib import import_module
from types import ModuleType

from mmseg_bisenet_lite.utils.errors import InputError


def require(module: str, distribution: str) -> ModuleType:
    """Import an optional library.

    Args:
        module: Name of the module to import.
        distribution: Name of the package to install if it is missing.

    Raises:
        InputError: The module cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f'{module} cannot be imported ({error}): run pip install {distribution}') from error
