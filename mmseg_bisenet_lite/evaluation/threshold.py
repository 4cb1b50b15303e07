"""Another threshold for the margin, as other biases of the last layer: whatever runs the network then decides by it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

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
                f'{name}: holds no threshold, as checkpoints of ThresholdHook and of tools/publish.py do; give a number, such '
                'as tools/test.py logs'
            )
        return float(found)
    try:
        value = float(wanted)
    except ValueError:
        value = float('nan')
    if not abs(value) < float('inf'):
        raise InputError(f"threshold {wanted!r}: give 'best' or a number")
    return value


def move_threshold(weights: Mapping[str, Tensor], threshold: float) -> None:
    """Change, in place, the weights of a segmentor so that its margin is above 0 where it was above the threshold.

    The last layer's bias takes it up: all that follows is interpolation, which leaves a constant as it is.

    Args:
        weights: A ``state_dict``.
        threshold: In scores: of the foreground less that of the background, or of the one score map.

    Raises:
        InputError: The weights end in no layer of one or two score maps that MMSegmentation calls ``conv_seg``.
    """
    bias = weights.get(BIAS)
    if bias is None or bias.shape not in ((1,), (2,)):
        raise InputError(f'a threshold needs {BIAS} of one or two score maps, which these weights have not')
    with torch.no_grad():
        if len(bias) == 1:
            bias -= threshold
        else:
            bias += bias.new_tensor([threshold / 2, -threshold / 2])


def with_threshold(arguments: Sequence[str]) -> list[str]:
    """The arguments of ``tools/test.py`` with its ``--threshold best|NUMBER`` as an option of the config.

    Raises:
        InputError: What follows is neither.
    """
    if '--threshold' not in arguments:
        return list(arguments)
    place = list(arguments).index('--threshold')
    value = arguments[place + 1] if place + 1 < len(arguments) else ''
    if value != 'best':
        chosen_threshold(value, {}, '--threshold')
    rest = [*arguments[:place], *arguments[place + 2 :]]
    hook = 'default_hooks.threshold'
    return with_options(rest, [f'{hook}.type=ThresholdHook', f'{hook}.use={value}'])
