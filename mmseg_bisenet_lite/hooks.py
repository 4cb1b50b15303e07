"""Hooks of the training and test loops."""

import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, Runner, find_latest_checkpoint
from mmseg.models.decode_heads import STDCHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss, LovaszLoss, OhemCrossEntropy
from mmseg.registry import HOOKS
from torch import nn

from mmseg_bisenet_lite.errors import InputError
from mmseg_bisenet_lite.evaluation.threshold import KEY, chosen_threshold, decision_point, move_threshold
from mmseg_bisenet_lite.models import BinaryHingeLoss


@HOOKS.register_module()
class StrictCheckpointHook(Hook):
    """Refuse a checkpoint whose weights are not exactly the model's; warn of one for other classes.

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
        told = ((checkpoint.get('meta') or {}).get('dataset_meta') or {}).get('classes')
        if told and (ours := _classes(runner)) and list(told) != list(ours):  # for fine-tuning that is fine
            runner.logger.warning(f'{name} was trained to tell {", ".join(told)} apart; this data set has {", ".join(ours)}')


def _classes(runner: Runner) -> Sequence[str] | None:
    """Of the data set of a loop that is built already; ``None`` if there is none."""
    for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
        if isinstance(loop, BaseLoop):
            return (getattr(loop.dataloader.dataset, 'metainfo', None) or {}).get('classes')
    return None


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
            raise InputError(f'share={share!r}: give a number above 0 and up to 1')
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
                raise InputError(f'{kind} has class_weight={loss.class_weight}: drop that or ForegroundWeightHook')
            if not isinstance(loss, BinaryHingeLoss | CrossEntropyLoss | OhemCrossEntropy):
                raise InputError(f'{kind}: ForegroundWeightHook knows BinaryHingeLoss, CrossEntropyLoss and OhemCrossEntropy')
        if not losses:
            raise InputError('ForegroundWeightHook finds no loss that takes class weights')
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


@HOOKS.register_module()
class ThresholdHook(Hook):
    """Keep the best threshold of the margin with the weights that it was found for, and use it when asked to.

    ``BinaryIoUMetric`` finds it on val. It goes into the ``meta`` of a checkpoint that is saved right after, for its score, as
    ``margin_threshold``; other checkpoints have none.

    Args:
        use: The threshold that loaded weights shall decide by: ``None`` is 0, as they were trained; ``'best'`` is the
            checkpoint's own; or a number. For tests, not for training.

    Raises:
        InputError: The checkpoint holds no threshold, or its last layer is not known.
    """

    priority = 'ABOVE_NORMAL'  # before CheckpointHook, and before EMAHook, which copies the weights that are loaded

    def __init__(self, use: str | float | None = None) -> None:
        self.use = use
        self._found: float | None = None  # for the weights as they are now

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Remember what was found."""
        self._found = {key.rpartition('/')[2]: value for key, value in (metrics or {}).items()}.get('threshold')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None) -> None:
        """Forget it."""
        self._found = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write it into the ``meta`` if the weights are still the same."""
        if self._found is not None:
            checkpoint['meta'][KEY] = self._found

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Use it."""
        if self.use is not None:
            name = runner._load_from or 'the checkpoint'
            threshold = chosen_threshold(self.use, checkpoint, name)
            move_threshold(checkpoint.get('state_dict', checkpoint), threshold, decision_point(runner.model))
            runner.logger.info(f'{name}: the foreground is what has a margin above {threshold}')


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
