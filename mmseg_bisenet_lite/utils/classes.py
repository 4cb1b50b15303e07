"""Numbers of classes, as heads and crops take them."""

from typing import Any


def are_class_numbers(value: Any, ignore_index: int = 255) -> bool:
    """Whether a value is a list or tuple of at least one label that a pixel may have, such as ``(9, 10)``.

    Args:
        value: Any value.
        ignore_index: Label of the pixels that have no class.
    """
    listed = isinstance(value, list | tuple) and len(value) > 0
    return listed and all(type(each) is int and 0 <= each < 256 and each != ignore_index for each in value)
