"""ForegroundWeightHook: a rare foreground weighs more at the beginning of a training."""

from collections.abc import Callable
from typing import Any

from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.runner import Runner
from mmseg.models.decode_heads import STDCHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss, LovaszLoss, OhemCrossEntropy
from mmseg.registry import HOOKS
from torch import nn

from mmseg_bisenet_lite.models import BinaryHingeLoss
from mmseg_bisenet_lite.utils.errors import InputError


@HOOKS.register_module()
class ForegroundWeightHook(Hook):
    """Let the foreground weigh more in every loss, most of all at the beginning, so that a rare class is learned at all.

    Where all is called background and its margins have reached 1, hinge loss rewards a feature only if most of the pixels that
    show it are foreground: each of the others loses as much as one of those wins. No feature of a new network is that good at
    a class of one pixel in a hundred, so its scores stay where they are. With a weight ``w`` a share of ``1 / (1 + w)`` is
    enough.

    At the end, where ``w`` is 1, a pixel is called foreground if it is that with a probability of 0.5, which gives the fewest
    wrong pixels. The highest F1 and IoU come from half of that F1 (Lipton et al., https://arxiv.org/abs/1402.1892), so from
    weights between 1 and ``2 / F1 - 1``.

    Args:
        start: Weight of a foreground pixel in the first iteration; one of the background has 1.
        end: Weight at the end. It is reached by the same factor in each iteration.
        share: Of the training, after which it is reached.

    It reaches ``BinaryHingeLoss``, ``CrossEntropyLoss`` and ``OhemCrossEntropy``; the last is not divided by the sum of the
    weights. With two maps and a sigmoid, only the foreground's own map is weighed.

    Raises:
        InputError: An argument is out of its range, or a loss has class weights of its own or is another one with such weights.
    """

    def __init__(self, start: float = 10.0, end: float = 1.0, share: float = 0.5) -> None:
        for name, value in (('start', start), ('end', end)):
            if not 0 < value < float('inf'):
                raise InputError(f'{name}={value!r}: give a number above 0')
        if not 0 < share <= 1:
            raise InputError(f'share={share!r}: give a number above 0 and at most 1')
        self.start, self.end, self.share = start, end, share
        self._losses: list[tuple[Any, Callable[[float], list]]] = []

    def before_train(self, runner: Runner) -> None:
        """Find the losses.

        Those of STDC's detail head are left alone, whose classes are others, and the Lovász loss, since a class's IoU is the
        same however rare it is.
        """
        heads = [module for module in runner.model.modules() if isinstance(module, BaseDecodeHead)]
        losses = [
            (loss, head.out_channels)
            for head in heads
            if not isinstance(head, STDCHead)
            for loss in (head.loss_decode if isinstance(head.loss_decode, nn.ModuleList) else [head.loss_decode])
            if hasattr(loss, 'class_weight') and not isinstance(loss, LovaszLoss)
        ]
        for loss, _ in losses:
            kind = type(loss).__name__
            if loss.class_weight is not None:
                raise InputError(f'{kind} has class_weight={loss.class_weight}: remove it, or remove ForegroundWeightHook')
            if not isinstance(loss, BinaryHingeLoss | CrossEntropyLoss | OhemCrossEntropy):
                raise InputError(
                    f'{kind}: ForegroundWeightHook supports BinaryHingeLoss, CrossEntropyLoss and OhemCrossEntropy only; '
                    'change loss_decode, or remove the hook'
                )
        if not losses:
            raise InputError(
                'ForegroundWeightHook finds no loss that takes class weights; change loss_decode, or remove the hook'
            )
        self._losses = [(loss, _weights_as_taken_by(loss, maps)) for loss, maps in losses]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None) -> None:
        """Set their weights."""
        passed = min(runner.iter / (self.share * runner.max_iters), 1.0)
        weight = self.start ** (1 - passed) * self.end**passed
        for loss, weights in self._losses:
            loss.class_weight = None if weight == 1 else weights(weight)

    def after_train(self, runner: Runner) -> None:
        """Leave them as they were."""
        for loss, _ in self._losses:
            loss.class_weight = None


def _weights_as_taken_by(loss: nn.Module, maps: int) -> Callable[[float], list]:
    """From the weight of the foreground to a loss's ``class_weight``.

    MMSegmentation's sigmoid losses pass it on as ``pos_weight``, which PyTorch broadcasts to (N, maps, H, W), or to (N, H, W)
    for one map.
    """
    if not getattr(loss, 'use_sigmoid', False):
        return lambda weight: [1.0, weight]
    return (lambda weight: [weight]) if maps == 1 else (lambda weight: [[[1.0]], [[weight]]])
