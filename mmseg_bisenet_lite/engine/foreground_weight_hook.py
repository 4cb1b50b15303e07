"""ForegroundWeightHook: give a rare foreground more weight at the beginning of a training."""

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

# How to drop the hook, by the name that it has in our configs.
DROP = 'drop ForegroundWeightHook by --cfg-options default_hooks.foreground_weight=None'


@HOOKS.register_module()
class ForegroundWeightHook(Hook):
    """Give the foreground more weight in every loss, most at the beginning, so that a rare class is learned at all.

    Suppose that the network calls every pixel background, with scores at which the hinge loss of the background is 0. Then
    hinge loss rewards a feature only if most of the pixels that show it are foreground: each background pixel loses as much as
    a foreground pixel wins. No feature of a new network is that good at a class of one pixel in a hundred, so the scores stay
    where they are. With a foreground weight ``w``, a foreground share of ``1 / (1 + w)`` is enough.

    At the end, where ``w`` is 1, a pixel is called foreground if its probability of being foreground is above 0.5, which gives
    the fewest wrong pixels. The highest F1 and IoU need a probability threshold of half of that F1 (Lipton et al.,
    https://arxiv.org/abs/1402.1892), that is, weights between 1 and ``2 / F1 - 1``.

    Args:
        start: Weight of a foreground pixel in the first iteration; a background pixel has weight 1.
        end: Weight at the end. The weight changes by the same factor in each iteration until it is reached.
        share: Share of the training after which ``end`` is reached, above 0 and at most 1.

    The hook supports ``BinaryHingeLoss``, ``CrossEntropyLoss`` and ``OhemCrossEntropy``; the last is not divided by the sum of
    the weights. With two score maps and a sigmoid, only the foreground's map is weighted.

    Raises:
        InputError: An argument is out of range, or a loss has class weights already or is another loss with class weights.
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

        Left alone are the losses of heads with other classes, such as STDC's detail head, and the Lovász loss, since the IoU
        of a class does not depend on how rare the class is.
        """
        heads = [module for module in runner.model.modules() if isinstance(module, BaseDecodeHead)]
        losses = [
            (loss, head.out_channels)
            for head in heads
            if not isinstance(head, STDCHead) and head.num_classes == 2
            for loss in (head.loss_decode if isinstance(head.loss_decode, nn.ModuleList) else [head.loss_decode])
            if hasattr(loss, 'class_weight') and not isinstance(loss, LovaszLoss)
        ]
        for loss, _ in losses:
            kind = type(loss).__name__
            if loss.class_weight is not None:
                raise InputError(f'{kind} has class_weight={loss.class_weight}: set it to None, or {DROP}')
            if not isinstance(loss, BinaryHingeLoss | CrossEntropyLoss | OhemCrossEntropy):
                raise InputError(
                    f'{kind}: ForegroundWeightHook supports BinaryHingeLoss, CrossEntropyLoss and OhemCrossEntropy only; '
                    f'change loss_decode, or {DROP}'
                )
        if not losses:
            raise InputError(f'ForegroundWeightHook finds no loss that takes class weights; change loss_decode, or {DROP}')
        self._losses = [(loss, _weights_as_taken_by(loss, maps)) for loss, maps in losses]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None) -> None:
        """Set the class weights of the losses."""
        passed = min(runner.iter / (self.share * runner.max_iters), 1.0)
        weight = self.start ** (1 - passed) * self.end**passed
        for loss, weights in self._losses:
            loss.class_weight = None if weight == 1 else weights(weight)

    def after_train(self, runner: Runner) -> None:
        """Remove the class weights."""
        for loss, _ in self._losses:
            loss.class_weight = None


def _weights_as_taken_by(loss: nn.Module, maps: int) -> Callable[[float], list]:
    """Return the function from the foreground's weight to ``class_weight`` of a loss.

    MMSegmentation's sigmoid losses pass ``class_weight`` on as ``pos_weight``, which PyTorch broadcasts to (N, maps, H, W), or
    to (N, H, W) for one score map.
    """
    if not getattr(loss, 'use_sigmoid', False):
        return lambda weight: [1.0, weight]
    return (lambda weight: [weight]) if maps == 1 else (lambda weight: [[[1.0]], [[weight]]])
