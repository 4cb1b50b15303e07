"""The decision between two classes, in one place: from scores to the margin, from the margin to the mask, and its threshold.

The margin is the foreground score minus the background score. With one score map, the margin is that score minus the score at
which the head decides. A pixel is foreground if its margin is above 0. A threshold of the margin is folded into the bias of the
last layer, so every program that runs the network uses it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from mmseg_bisenet_lite.utils import schema
from mmseg_bisenet_lite.utils.calibration import Calibration
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.heads import AUXILIARY, MAIN, main_head
from mmseg_bisenet_lite.utils.operating_points import OperatingPoints
from mmseg_bisenet_lite.utils.thresholds import NUMBER, choose_threshold, parse_threshold

# Bias of the main head's last layer.
BIAS = f'{MAIN}.conv_seg.bias'


def heads_of(model: Any) -> dict[str, nn.Module]:
    """Return the heads of a segmentor by the prefix of their weights, the main head first."""
    named: dict[str, nn.Module] = {}
    for name in (MAIN, AUXILIARY):
        heads = getattr(model, name, None)
        if isinstance(heads, nn.ModuleList):
            named |= {f'{name}.{number}': head for number, head in enumerate(heads)}
        elif heads is not None:
            named[name] = heads
    return named


def folded_thresholds(meta: Mapping[str, Any], name: str) -> dict[str, float]:
    """Return the thresholds that the end of the training folded into the heads, by the prefix of their weights.

    Args:
        meta: ``meta`` of a checkpoint.
        name: Name of the checkpoint's file, for error messages.

    Raises:
        InputError: A value is not what its key needs.
    """
    found = schema.read(meta, {schema.FOLDED: schema.threshold, schema.FOLDED_HEADS: schema.thresholds}, name)
    main = {MAIN: found[schema.FOLDED]} if schema.FOLDED in found else {}
    return {**main, **found.get(schema.FOLDED_HEADS, {})}


def margin_of_scores(scores: Tensor, point: float | None = None) -> Tensor:
    """Return the margin of a head's scores.

    Args:
        scores: Scores, as the head returns them.
        point: Decision point of a head with one score map, on the sigmoid of its score: ``head.threshold``; ``None`` is 0.5.

    Shape:
        - scores: ``(N, 2 or 1, ...)``; output: ``(N, 1, ...)``.

    Raises:
        InputError: There are more than two score maps.
    """
    if scores.shape[1] == 2:
        return scores[:, 1:] - scores[:, :1]
    if scores.shape[1] == 1:
        return scores - score_of(point)
    raise InputError(f'{scores.shape[1]} score maps: a margin needs one or two; use a segmentor for two classes')


def margin_of_logits(seg_logits: Tensor) -> Tensor:
    """Return the margin of ``seg_logits``, to which MMSegmentation has applied a sigmoid if there is one score map.

    With one score map, MMSegmentation's mask is where this margin is above 0, if the head's ``threshold`` is 0.5.

    Args:
        seg_logits: ``seg_logits`` of a data sample.

    Shape:
        - seg_logits: ``(2 or 1, H, W)``; output: ``(H, W)``, float32.

    Raises:
        InputError: There are more than two score maps.
    """
    scores = seg_logits.float()
    if len(scores) == 1:
        # float32 resolves probabilities well near 0, but not near 1.
        scores = scores.clamp(torch.finfo(torch.float32).tiny, 1 - torch.finfo(torch.float32).eps).logit()
    return margin_of_scores(scores[None])[0, 0]


def mask_of_margin(margin: Tensor) -> Tensor:
    """Return 1 where the margin is above 0, else 0: uint8, in the shape of the margin."""
    # Cast by way of float, since TensorRT casts nothing else to uint8.
    return (margin > 0).float().to(torch.uint8)


def score_of(point: float | None) -> float:
    """Return the score whose sigmoid is ``point``."""
    return 0.0 if point is None else math.log(point / (1 - point))


def decision_point(head: Any) -> float:
    """Return the decision point of a head with one score map, on the sigmoid of its score; 0.5 is score 0."""
    return getattr(head, 'threshold', None) or 0.5


def own_threshold(head: Any) -> float:
    """Return the threshold of the margin, in score units, at which a head decides by itself; with two score maps it is 0."""
    return score_of(decision_point(head)) if head.out_channels == 1 else 0.0


@dataclass(frozen=True)
class DecisionRecord:
    """What a checkpoint knows about its decision, the first three from val; ``None`` is unknown.

    Attributes:
        best_threshold: Threshold of the margin with the highest F1.
        calibration: From the margin to a probability.
        operating_points: Precision and recall for some thresholds.
        folded: Threshold that ``CalibratedDecisionHook`` folded into the bias at the end of the training, in score units;
            ``None`` if it folded none. The raw network decided at a margin of ``-folded``.
    """

    best_threshold: float | None
    calibration: Calibration | None
    operating_points: OperatingPoints | None
    folded: float | None

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any], name: str) -> 'DecisionRecord':
        """Read a checkpoint, as MMEngine loads it.

        Args:
            checkpoint: The checkpoint.
            name: Name of its file, for error messages.

        Raises:
            InputError: A value is not what its key needs.
        """
        return cls(*map(schema.read(checkpoint.get('meta') or {}, schema.DECISION, name).get, schema.DECISION))


def chosen_threshold(wanted: str | float, checkpoint: Mapping[str, Any], name: str) -> float:
    """Return a threshold as a number.

    Args:
        wanted: ``'best'``, a number, ``'recall=R'`` or ``'precision=P'``, see
            :func:`~mmseg_bisenet_lite.utils.thresholds.choose_threshold`.
        checkpoint: The checkpoint, as MMEngine loads it.
        name: Name of the checkpoint's file, for error messages.

    Raises:
        InputError: The checkpoint holds no such threshold, or ``wanted`` is none of these.
    """
    found = DecisionRecord.of(checkpoint, name)
    otherwise = (
        'only best_*.pth of a training with ThresholdHook and files of tools/publish.py hold one, and older ones none for a '
        'recall or a precision. Give a number, such as the threshold that tools/test.py logs'
    )
    return choose_threshold(wanted, found.best_threshold, found.operating_points, name, otherwise)


def move_threshold(weights: Mapping[str, Tensor], threshold: float, point: float = 0.5) -> None:
    """Move the decision threshold of a segmentor's weights, in place, by folding it into the last layer's bias.

    Only interpolation follows the last layer, and it does not change a constant.

    Args:
        weights: A ``state_dict``.
        threshold: Threshold in score units: of the foreground score minus the background score, or of the one score map.
        point: Decision point of the one score map, see :func:`decision_point`.

    Raises:
        InputError: The weights have no last layer ``conv_seg`` with one or two score maps.
    """
    bias = weights.get(BIAS)
    if bias is None or bias.shape not in ((1,), (2,)):
        raise InputError(f'a threshold needs {BIAS} for one or two score maps, which these weights lack')
    with torch.no_grad():
        if len(bias) == 1:
            bias -= threshold - score_of(point)
        else:
            bias += bias.new_tensor([threshold / 2, -threshold / 2])


def set_threshold(model: nn.Module, threshold: str | float, checkpoint: str | None = None) -> float:
    """Set the decision threshold of a segmentor, for every program that runs it, such as an inferencer.

    Args:
        model: Segmentor with its weights loaded, such as ``inferencer.model``. The bias of its last layer is changed in place.
        threshold: Threshold of the margin in score units, which replaces an earlier one; or ``'best'``, ``'recall=R'`` or
            ``'precision=P'``, which the checkpoint tells, see :func:`~mmseg_bisenet_lite.utils.thresholds.choose_threshold`.
        checkpoint: Checkpoint of the weights, if it has to tell the threshold: a file or name, as MMEngine accepts it.

    Returns:
        The threshold as a number.

    Raises:
        InputError: The checkpoint holds no threshold, or the model's last layer is unknown.

    Example:
        >>> inferencer = MMSegInferencer(config, checkpoint)
        >>> set_threshold(inferencer.model, 'best', checkpoint)
    """
    told = checkpoint is not None and parse_threshold(threshold)[0] != NUMBER
    loaded = CheckpointLoader.load_checkpoint(checkpoint, 'cpu') if told else {}
    value = chosen_threshold(threshold, loaded, checkpoint or 'no checkpoint given')
    weights = model.state_dict()
    earlier, left = getattr(model, schema.THRESHOLD, (0.0, None))
    # Otherwise other weights have been loaded since.
    if left is not None and torch.equal(left.to(weights[BIAS]), weights[BIAS]):
        move_threshold(weights, value - earlier)
    else:
        move_threshold(weights, value, decision_point(main_head(model)))
    setattr(model, schema.THRESHOLD, (value, weights[BIAS].cpu().clone()))
    return value
