"""Libraries that only some need."""

from importlib import import_module
from types import ModuleType

from mmseg_bisenet_lite.utils.errors import InputError


def require(module: str, distribution: str) -> ModuleType:
    """An optional library, imported.

    Args:
        module: What to import.
        distribution: What to install for it.

    Raises:
        InputError: It cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f'{module} cannot be imported ({error}): run pip install {distribution}') from error
