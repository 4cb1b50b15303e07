"""Another threshold for the margin, as other biases of the last layer: whatever runs the network then decides by it."""

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from mmseg_bisenet_lite.cli import with_options
from mmseg_bisenet_lite.errors import InputError

# In a checkpoint's meta: the threshold that gave the highest F1 on val.
KEY = 'margin_threshold'

BIAS = 'decode_head.conv_seg.bias'


def chosen_threshold(wanted: str | float, checkpoint: Mapping[str, Any], name: str) -> float:
    """A threshold as it was asked for.

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
                f'{name}: holds no threshold: only best_*.pth of a training with ThresholdHook and files of tools/publish.py '
                'do; give a number, such as tools/test.py logs'
            )
        return float(found)
    try:
        value = float(wanted)
    except (TypeError, ValueError):
        value = float('nan')
    if not abs(value) < float('inf'):
        raise InputError(f"threshold {wanted!r}: give 'best' or a number")
    return value


def decision_point(model: nn.Module) -> float:
    """Where on the sigmoid of its score a segmentor with one score map decides; 0.5 is score 0."""
    inner: Any = model
    while hasattr(inner, 'module'):
        inner = inner.module
    return getattr(getattr(inner, 'decode_head', None), 'threshold', None) or 0.5


def move_threshold(weights: Mapping[str, Tensor], threshold: float, point: float = 0.5) -> None:
    """Change, in place, the weights of a segmentor so that foreground is what had a margin above the threshold.

    The last layer's bias takes it up: all that follows is interpolation, which leaves a constant as it is.

    Args:
        weights: A ``state_dict``.
        threshold: In scores: of the foreground less that of the background, or of the one score map.
        point: Of the one score map, see :func:`decision_point`.

    Raises:
        InputError: The weights end in no layer of one or two score maps that MMSegmentation calls ``conv_seg``.
    """
    bias = weights.get(BIAS)
    if bias is None or bias.shape not in ((1,), (2,)):
        raise InputError(f'a threshold needs {BIAS} of one or two score maps, which these weights have not')
    with torch.no_grad():
        if len(bias) == 1:
            bias -= threshold - math.log(point / (1 - point))
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


def with_threshold(arguments: Sequence[str]) -> list[str]:
    """The arguments of ``tools/test.py`` with its ``--threshold best|NUMBER`` as an option of the config.

    Raises:
        InputError: What follows is neither.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument('--threshold', nargs='?', const='')
    found, rest = parser.parse_known_args(list(arguments))
    if found.threshold is None:
        return list(arguments)
    if found.threshold != 'best':
        chosen_threshold(found.threshold, {}, '--threshold')
    hook = 'default_hooks.threshold'
    return with_options(rest, [f'{hook}.type=ThresholdHook', f'{hook}.use={found.threshold}'])
