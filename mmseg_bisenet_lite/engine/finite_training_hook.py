"""FiniteTrainingHook: stop a training that diverges."""

import math
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmseg_bisenet_lite.compat import check_finite
from mmseg_bisenet_lite.utils.errors import InputError

ADVICE = 'lower optim_wrapper.optimizer.lr or set optim_wrapper.clip_grad.max_norm, and --resume from the last checkpoint'


@HOOKS.register_module()
class FiniteTrainingHook(Hook):
    """Stop at a loss that is NaN or infinite, and never save such weights.

    Gradients are not checked: with a scaled loss in float16 some overflow, and the optimiser skips their step.

    Raises:
        InputError: A loss is not finite, or weights that are to be saved are not.
    """

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Check the losses of the iteration. No GPU is waited for: MMEngine has read the losses already, to log them."""
        for name, value in reversed((outputs or {}).items()):  # the first is the sum
            if 'loss' in name and not math.isfinite(number := float(torch.as_tensor(value).detach())):
                rate = next(iter(runner.optim_wrapper.get_lr().values()))[0]
                raise InputError(f'iteration {runner.iter + 1}, learning rate {rate:g}: {name} is {number}; {ADVICE}')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the weights."""
        check_finite(checkpoint['state_dict'], f'iteration {checkpoint["meta"]["iter"]} is not saved')
