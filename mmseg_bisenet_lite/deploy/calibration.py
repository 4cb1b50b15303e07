"""The band in which a network does not decide."""

import numpy as np

from mmseg_bisenet_lite.utils.errors import InputError

# Value of an undecided pixel in a mask; in label maps it is the pixels to ignore.
UNDECIDED = 255


def abstain(mask: np.ndarray, probability: np.ndarray, p: float) -> np.ndarray:
    """Return a mask without the pixels where neither class has probability ``p``.

    Args:
        mask: uint8, 0 or 1.
        probability: Probability of foreground, 0 to 1, from :meth:`.Metadata.probability`.
        p: Least probability of a class, 0.5 to below 1; at 0.5 every pixel is decided.

    Shape:
        - mask, probability and output: the same, such as ``(height, width)``.

    Returns:
        A copy of the mask with ``UNDECIDED``, 255, at those pixels. The others stay as the threshold has decided them, even if
        that threshold is far from probability 0.5.

    Raises:
        InputError: ``p`` is out of range, or the shapes differ.
    """
    check_abstain(p)
    if mask.shape != probability.shape:
        raise InputError(f'a mask of {mask.shape} and probabilities of {probability.shape}: give them in the same shape')
    return np.where((probability < p) & (probability > 1 - p), np.uint8(UNDECIDED), mask)


def check_abstain(p: float) -> None:
    """Raise an :class:`InputError` unless ``p`` is from 0.5 to below 1."""
    if not 0.5 <= p < 1:
        raise InputError(f'abstain {p!r}: give a probability from 0.5 to below 1, such as 0.9')
