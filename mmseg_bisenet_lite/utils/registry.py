"""What a config's ``type`` stands for, however it is written, and what arguments that takes."""

import inspect
from typing import Any

# Modules of base classes of networks.
_BASES = ('mmengine.model.', 'torch.nn.modules.module')


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


def parameters_of(kind: Any) -> tuple[dict[str, inspect.Parameter], bool]:
    """Return the arguments of a class, with those that ``**kwargs`` hands on to its parents, or of a function.

    Returns:
        The arguments by their names, and whether there may be others.
    """
    if isinstance(kind, type):
        functions = [each.__dict__['__init__'] for each in kind.__mro__[:-1] if '__init__' in each.__dict__]
    else:
        functions = [kind]
    found: dict[str, inspect.Parameter] = {}
    for number, function in enumerate(functions):
        if number and function.__module__.startswith(_BASES):  # which take nothing that a class would hand on
            return found, True
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return found, True
        for each in parameters:
            if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
                found.setdefault(each.name, each)
        if not any(each.kind is each.VAR_KEYWORD for each in parameters):
            return found, False
    return found, bool(functions)
