"""Hooks of the training and test loops."""

import re
from collections.abc import Sequence
from itertools import chain

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmseg_bisenet_lite.errors import InputError


@HOOKS.register_module()
class StrictCheckpointHook(Hook):
    """Refuse a checkpoint whose weights are not exactly the model's.

    MMEngine logs a warning and goes on with random weights in their place.

    Args:
        allow: Prefixes of keys that may differ, for fine-tuning: ``('decode_head', 'auxiliary_head')`` keeps the rest strict.

    Raises:
        InputError: Keys are missing, unexpected or of another shape.
    """

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self.allow = tuple(allow)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the keys and shapes before anything is loaded."""
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
        weights = checkpoint.get('state_dict', checkpoint)
        found = {re.sub(r'^module\.', '', key): tuple(value.shape) for key, value in weights.items()}

        differing = {
            'missing': expected.keys() - found.keys(),
            'unexpected': found.keys() - expected.keys(),
            'of another shape': {key for key in expected.keys() & found.keys() if expected[key] != found[key]},
        }
        differences = {kind: sorted(k for k in keys if not k.startswith(self.allow)) for kind, keys in differing.items()}
        if any(chain(*differences.values())):
            summary = ', '.join(f'{len(keys)} {kind} (as {keys[0]})' for kind, keys in differences.items() if keys)
            raise InputError(
                f'{runner._load_from or "the checkpoint"}: its weights are not those of the config: {summary}; give the config '
                'that it was trained with, or name the parts that may differ in StrictCheckpointHook(allow=...)'
            )
