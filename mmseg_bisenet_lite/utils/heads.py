"""The heads of a segmentor, by the prefix of their weights."""

import re
from collections.abc import Mapping
from typing import Any

# The main head, and those that only training uses.
MAIN, AUXILIARY = 'decode_head', 'auxiliary_head'


def has_auxiliary_heads(weights: Mapping[str, Any]) -> bool:
    """Whether a ``state_dict`` has weights that only training uses."""
    return len(without_auxiliary_heads(weights)) < len(weights)


def without_auxiliary_heads(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights of a ``state_dict`` that inference uses."""
    return {key: value for key, value in weights.items() if not re.match(rf'(module\.)?{AUXILIARY}\b', key)}


def main_head(model: Any) -> Any:
    """Return the main head of a segmentor, wrapped or not; ``None`` if it has none."""
    return getattr(unwrapped(model), MAIN, None)


def unwrapped(model: Any) -> Any:
    """Return the segmentor inside ``DistributedDataParallel``, test-time augmentation and similar wrappers."""
    from mmengine.model import BaseTTAModel, is_model_wrapper

    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model
