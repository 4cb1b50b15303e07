"""FiniteTrainingHook: stop a training that diverges."""

import math
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor

from mmseg_bisenet_lite.compat import not_finite
from mmseg_bisenet_lite.utils.errors import InputError

ADVICE = 'lower optim_wrapper.optimizer.lr or set optim_wrapper.clip_grad.max_norm, and --resume from the last checkpoint'

# The most iterations whose losses wait on a GPU for their check; reading them makes the host wait for the GPU.
WAITING = 50


@HOOKS.register_module()
class FiniteTrainingHook(Hook):
    """Stop at a loss that is NaN or infinite, and never save such weights.

    On a CPU each loss is checked at once. On other devices the losses are read together, after every 50 iterations and before
    each validation and checkpoint, so that no other iteration waits for the device. Gradients are not checked: with a scaled
    loss in float16 some overflow, and the optimiser skips their step.

    Raises:
        InputError: A loss is not finite, or weights that are to be saved are not.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, float, list[str], Tensor]] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Note the losses of the iteration, and check them if that is due."""
        losses = {name: value for name, value in (outputs or {}).items() if 'loss' in name}
        if not losses:
            return
        values = torch.stack([torch.as_tensor(value).detach().float().mean() for value in losses.values()])
        rate = next(iter(runner.optim_wrapper.get_lr().values()))[0]
        self._waiting.append((runner.iter + 1, rate, list(losses), values))
        if values.device.type == 'cpu' or len(self._waiting) >= WAITING:
            self._check()

    def before_val_epoch(self, runner: Runner) -> None:
        """Check the losses, to validate no weights that are lost."""
        self._check()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the losses and the weights."""
        self._check()
        name = not_finite(checkpoint['state_dict'])
        if name is not None:
            raise InputError(
                f'iteration {checkpoint["meta"]["iter"]}: {name} of the weights is not finite, so they are not saved; {ADVICE}'
            )

    def after_train(self, runner: Runner) -> None:
        """Check the last losses."""
        self._check()

    def _check(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        values = iter(torch.cat([losses for *_, losses in waiting]).tolist())
        for iteration, rate, names, _ in waiting:
            wrong = [f'{name} is {value}' for name, value in zip(names, values, strict=False) if not math.isfinite(value)]
            if wrong:  # the first is the sum
                raise InputError(f'iteration {iteration}, learning rate {rate:g}: {wrong[-1]}; {ADVICE}')
