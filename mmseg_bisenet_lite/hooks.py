"""Hooks of the training and test loops."""

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner, find_latest_checkpoint
from mmseg.registry import HOOKS
from torch import nn

from mmseg_bisenet_lite.errors import InputError


@HOOKS.register_module()
class StrictCheckpointHook(Hook):
    """Refuse a checkpoint whose weights are not exactly the model's.

    MMEngine logs a warning and goes on with random weights in their place.

    Args:
        allow: Parts of the model that may differ, for fine-tuning: ``('decode_head', 'auxiliary_head')`` keeps the rest
            strict.

    Raises:
        InputError: Weights are missing, unexpected or of another shape.
    """

    def __init__(self, allow: str | Sequence[str] = ()) -> None:
        self.allow = (allow,) if isinstance(allow, str) else tuple(allow)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the keys and shapes before anything is loaded."""
        name = runner._load_from or find_latest_checkpoint(runner.work_dir) or 'the checkpoint'
        check_weights(runner.model, checkpoint, name, self.allow)


def check_weights(model: nn.Module, checkpoint: dict, name: str, allow: Sequence[str] = ()) -> None:
    """Raise an :class:`InputError` if a checkpoint's weights are not those of the model, but for the parts in ``allow``."""
    inner: Any = model
    while is_model_wrapper(inner) or isinstance(inner, BaseTTAModel):
        inner = inner.module
    expected = {key: tuple(value.shape) for key, value in inner.state_dict().items()}
    weights = checkpoint.get('state_dict', checkpoint)
    found = {re.sub(r'^module\.', '', key): tuple(getattr(value, 'shape', ())) for key, value in weights.items()}

    differing = {
        'missing': expected.keys() - found.keys(),
        'unexpected': found.keys() - expected.keys(),
        'of another shape': {key for key in expected.keys() & found.keys() if expected[key] != found[key]},
    }
    parts = tuple(f'{part}.' for part in allow)
    differences = {kind: sorted(k for k in keys if not f'{k}.'.startswith(parts)) for kind, keys in differing.items()}
    if any(chain(*differences.values())):
        summary = ', '.join(f'{len(keys)} {kind} (as {keys[0]})' for kind, keys in differences.items() if keys)
        raise InputError(
            f'{name}: its weights are not those of the config: {summary}; give the config that it was trained with '
            '(to fine-tune, name the parts that may differ in StrictCheckpointHook(allow=...))'
        )
