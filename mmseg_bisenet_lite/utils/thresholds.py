"""Thresholds of the margin as a user names them: ``best``, a number, ``recall=0.95`` or ``precision=0.9``."""

import math

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.operating_points import OperatingPoints
from mmseg_bisenet_lite.utils.schema import MOST_THRESHOLD

BEST, NUMBER, RECALL, PRECISION = 'best', 'number', 'recall', 'precision'


def parse_threshold(wanted: str | float) -> tuple[str, float]:
    """Return what is wanted, one of ``BEST``, ``NUMBER``, ``RECALL`` and ``PRECISION``, and its number.

    Raises:
        InputError: It is none of these, or the number is out of range.
    """
    if wanted == BEST:
        return BEST, math.nan
    kind, equals, text = str(wanted).rpartition('=')
    try:
        value = float(text if equals else wanted)
    except (TypeError, ValueError):
        value = math.nan
    if kind in (RECALL, PRECISION) and 0 < value <= 1:
        return kind, value
    if not equals and abs(value) <= MOST_THRESHOLD:
        return NUMBER, value
    raise InputError(
        f"threshold {wanted!r}: give 'best' or a number from {-MOST_THRESHOLD:g} to {MOST_THRESHOLD:g}, or recall=R or "
        'precision=P with a share above 0 and at most 1, such as recall=0.95'
    )


def choose_threshold(
    wanted: str | float, best: float | None, points: OperatingPoints | None, name: object, otherwise: str
) -> float:
    """Return a threshold as a number.

    Args:
        wanted: ``'best'``, the threshold with the highest F1 on val; a number, in score units; or ``'recall=R'`` or
            ``'precision=P'``, the threshold that had at least this share on val, with the most of the other.
        best: The threshold for ``'best'``, if it is known.
        points: The points for a recall or a precision, if they are known.
        name: What holds them, such as a file, for error messages.
        otherwise: What to do if they are not known, a sentence for error messages.

    Raises:
        InputError: ``wanted`` is none of these, is not known, or cannot be reached.
    """
    kind, value = parse_threshold(wanted)
    if kind == NUMBER:
        return value
    if kind == BEST:
        if best is None:
            raise InputError(f"{name}: holds no threshold for 'best'; {otherwise}")
        return best
    if points is None:
        raise InputError(f'{name}: holds no threshold for {kind}={value:g}; {otherwise}')
    return points.threshold_for(kind, value, name)
