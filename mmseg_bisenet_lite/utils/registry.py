"""class_of: the class that a config's ``type`` stands for, however it is written."""

import inspect
from typing import Any


def class_of(registry: Any, kind: Any) -> Any:
    """Return the class that ``type`` of a config stands for; ``None`` if it is no class or not known.

    Args:
        registry: Registry of MMEngine, such as ``DATASETS``.
        kind: ``type`` as MMEngine accepts it: a name, one with a scope (``mmseg.LoadAnnotations``), one with its module
            (``mmseg.datasets.transforms.LoadAnnotations``), or the class itself, as in pure Python configs.
    """
    if isinstance(kind, str):
        try:
            kind = registry.get(kind)
        except RuntimeError:  # the registry's error for an unknown name; whoever builds the config reports it
            return None
    return kind if inspect.isclass(kind) else None
