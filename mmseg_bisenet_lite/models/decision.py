"""The decision of two classes, said once: from scores to the margin, from the margin to the mask, by a threshold.

The margin is the foreground's score less the background's. With one score map it is that score, less the score at which the
head decides. A pixel whose margin is above 0 is foreground. A threshold of the margin is folded into the last layer's bias, so
whatever runs the network then decides by it.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from mmseg_bisenet_lite.utils.errors import InputError

# In a checkpoint's meta: the threshold that gave the highest F1 on val.
KEY = 'margin_threshold'

BIAS = 'decode_head.conv_seg.bias'


def margin_of_scores(scores: Tensor, point: float | None = None) -> Tensor:
    """The margin of a head's scores.

    Args:
        scores: As the head gives them.
        point: Where a head with one score map decides, on the sigmoid of its score: ``head.threshold``; ``None`` is 0.5.

    Shape:
        - scores: ``(N, 2 or 1, ...)``; output: ``(N, 1, ...)``.

    Raises:
        InputError: There are more than two score maps.
    """
    if scores.shape[1] == 2:
        return scores[:, 1:] - scores[:, :1]
    if scores.shape[1] == 1:
        return scores - _score_of(point)
    raise InputError(f'{scores.shape[1]} score maps: a margin needs one or two; use a segmentor for two classes')


def margin_of_logits(seg_logits: Tensor) -> Tensor:
    """The margin of ``seg_logits``, which MMSegmentation has put through a sigmoid if there is one map.

    With one map MMSegmentation decides where this is above 0 if the head's ``threshold`` is 0.5.

    Args:
        seg_logits: Of a data sample.

    Shape:
        - seg_logits: ``(2 or 1, H, W)``; output: ``(H, W)``, float32.

    Raises:
        InputError: There are more than two score maps.
    """
    scores = seg_logits.float()
    if len(scores) == 1:
        # Near 1 float32 cannot tell one probability from the next, near 0 it can.
        scores = scores.clamp(torch.finfo(torch.float32).tiny, 1 - torch.finfo(torch.float32).eps).logit()
    return margin_of_scores(scores[None])[0, 0]


def mask_of_margin(margin: Tensor) -> Tensor:
    """1 where the foreground wins, else 0; uint8, of the margin's shape."""
    # By way of a floating-point number, since TensorRT gives uint8 from nothing else.
    return (margin > 0).float().to(torch.uint8)


def _score_of(point: float | None) -> float:
    """The score whose sigmoid is ``point``."""
    return 0.0 if point is None else math.log(point / (1 - point))


def decision_point(model: nn.Module) -> float:
    """Where on the sigmoid of its score a segmentor with one score map decides; 0.5 is score 0."""
    inner: Any = model
    while hasattr(inner, 'module'):
        inner = inner.module
    return getattr(getattr(inner, 'decode_head', None), 'threshold', None) or 0.5


def chosen_threshold(wanted: str | float, checkpoint: Mapping[str, Any], name: str) -> float:
    """The threshold that was asked for, as a number.

    Args:
        wanted: ``'best'``, which is the one in the checkpoint, or a number.
        checkpoint: As MMEngine loads it.
        name: Of its file, for errors.

    Raises:
        InputError: The checkpoint holds none, or it is no number.
    """
    if wanted == 'best':
        found = (checkpoint.get('meta') or {}).get(KEY)
        if found is None:
            raise InputError(
                f"{name}: holds no threshold for 'best'; only best_*.pth of a training with ThresholdHook and files of "
                'tools/publish.py hold one. Give a number, such as the threshold that tools/test.py logs'
            )
        return float(found)
    try:
        value = float(wanted)
    except (TypeError, ValueError):
        value = float('nan')
    if not abs(value) < float('inf'):
        raise InputError(f"threshold {wanted!r}: give 'best' or a number")
    return value


def move_threshold(weights: Mapping[str, Tensor], threshold: float, point: float = 0.5) -> None:
    """Move the decision threshold of a segmentor's weights, in place, by folding it into the last layer's bias.

    All that follows the last layer is interpolation, which leaves a constant as it is.

    Args:
        weights: A ``state_dict``.
        threshold: In scores: of the foreground less that of the background, or of the one score map.
        point: Of the one score map, see :func:`decision_point`.

    Raises:
        InputError: The weights end in no layer of one or two score maps that MMSegmentation calls ``conv_seg``.
    """
    bias = weights.get(BIAS)
    if bias is None or bias.shape not in ((1,), (2,)):
        raise InputError(f'a threshold needs {BIAS} for one or two score maps, which these weights lack')
    with torch.no_grad():
        if len(bias) == 1:
            bias -= threshold - _score_of(point)
        else:
            bias += bias.new_tensor([threshold / 2, -threshold / 2])


def set_threshold(model: nn.Module, threshold: str | float, checkpoint: str | None = None) -> float:
    """Let a segmentor call foreground what has a margin above a threshold, whoever runs it, an inferencer for example.

    Args:
        model: With its weights loaded, such as ``inferencer.model``; its last bias is changed, in place.
        threshold: In scores, in place of any that was set before; or ``'best'``, the checkpoint's own.
        checkpoint: Where the weights came from, for ``'best'``, as MMEngine takes it.

    Returns:
        The threshold.

    Raises:
        InputError: The checkpoint holds no threshold, or the model's last layer is not known.

    Example:
        >>> inferencer = MMSegInferencer(config, checkpoint)
        >>> set_threshold(inferencer.model, 'best', checkpoint)
    """
    loaded = CheckpointLoader.load_checkpoint(checkpoint, 'cpu') if threshold == 'best' and checkpoint is not None else {}
    value = chosen_threshold(threshold, loaded, checkpoint or 'no checkpoint given')
    weights = model.state_dict()
    earlier, left = getattr(model, KEY, (0.0, None))
    if left is not None and torch.equal(left.to(weights[BIAS]), weights[BIAS]):  # else other weights were loaded since
        move_threshold(weights, value - earlier)
    else:
        move_threshold(weights, value, decision_point(model))
    setattr(model, KEY, (value, weights[BIAS].cpu().clone()))
    return value
