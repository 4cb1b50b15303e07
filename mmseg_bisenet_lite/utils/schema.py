"""The schema of what a file says about its network: one place with the types and bounds of every key.

Exported files and checkpoints come from anywhere, so nothing in them is believed before it has passed here. Each check takes a
value from a file, returns it in the type that the package uses, and raises a :class:`Lie` that says what it must be.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

import numpy as np

from mmseg_bisenet_lite.utils.calibration import Calibration
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.operating_points import OperatingPoints

PRECISIONS = ('fp32', 'fp16', 'bf16', 'int8')

# Bounds. They are far above what is used, and low enough that no file can ask for more memory than a machine has.
MOST_CLASSES = 100_000  # ImageNet-21k, whose networks are trained further, has 21,841
MOST_LETTERS = 1000  # of a name or another line; ImageNet has names of 120
MOST_JSON = 100_000  # letters
MOST_SIDE = 16384  # pixels
MOST_HEADS = 64
MOST_BATCH = 1024  # frames
MOST_PIXELS = 2**27  # of all frames of a batch: 400 MB of uint8
MOST_THRESHOLD = 10_000.0  # units of the score
MOST_POINTS = 1000  # of a curve

Check = Callable[[Any], Any]


class Lie(ValueError):  # noqa: N818  it is no error of the program
    """A value in a file that cannot be true; the message says what it must be."""


def read(content: Any, checks: Mapping[str, Check], what: object) -> dict[str, Any]:
    """Return the values of the keys in ``checks`` that ``content`` has, each checked.

    Args:
        content: A mapping from keys to values, as a file holds it. Other keys are left out.
        checks: A check for each key.
        what: What holds them, such as a file, for error messages.

    Raises:
        InputError: A value is not what its key needs.
    """
    if not isinstance(content, Mapping):
        raise InputError(f'{what}: metadata must be keys with values, not {_shown(content)}; the file may be damaged')
    values = {}
    for key, check in checks.items():
        if key in content:
            try:
                values[key] = check(content[key])
            except Lie as lie:
                raise InputError(f'{what}: {key} must be {lie}, not {_shown(content[key])}') from lie
    return values


def parse_json(text: Any) -> Any:
    """Return the content of a JSON text.

    Raises:
        Lie: The text is not JSON, is too long or nested too deeply, or names a key twice.
    """
    if not isinstance(text, str) or len(text) > MOST_JSON:
        raise Lie(f'a JSON text of at most {MOST_JSON} letters')
    try:
        return json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, Lie) else Lie('a JSON text') from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Lie('a JSON text that names each key once')
    return found


def text(value: Any) -> str:
    """Check a text of one printable line."""
    if type(value) is not str or len(value) > MOST_LETTERS or not value.isprintable():
        raise Lie(f'a text of at most {MOST_LETTERS} printable letters')
    return value


def name(value: Any) -> str:
    """Check a name: printable, not blank. Names are printed, so an escape sequence in one would reach the terminal."""
    found = text(value)
    if not found.strip():
        raise Lie('a name that is not blank')
    return found


def digest(value: Any) -> str:
    """Check a SHA-256 digest, 64 hexadecimal digits."""
    found = text(value)
    if not 0 < len(found) <= 64 or not set(found) <= set('0123456789abcdef'):
        raise Lie('hexadecimal digits of a SHA-256 digest')
    return found


def truth(value: Any) -> bool:
    """Check true or false."""
    if type(value) is not bool:
        raise Lie('true or false')
    return value


def whole(least: int, most: int) -> Check:
    """Return a check for whole numbers from ``least`` to ``most``; true and false are none."""

    def check(value: Any) -> int:
        if isinstance(value, bool | np.bool_) or not isinstance(value, Integral) or not least <= int(value) <= most:
            raise Lie(f'a whole number from {least} to {most}')
        return int(value)

    return check


def number(least: float, most: float) -> Check:
    """Return a check for finite numbers from ``least`` to ``most``; true and false are none."""

    def check(value: Any) -> float:
        real = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
        if not real or not least <= value <= most:  # no comparison holds for NaN
            raise Lie(f'a finite number from {least:g} to {most:g}')
        return float(value)

    return check


# A threshold of the margin, in score units.
threshold = number(-MOST_THRESHOLD, MOST_THRESHOLD)


def one_of(*choices: str) -> Check:
    """Return a check for one of these words."""

    def check(value: Any) -> str:
        if type(value) is not str or value not in choices:
            raise Lie(f'one of {", ".join(choices)}')
        return value

    return check


def optional(check: Check) -> Check:
    """Return a check that takes ``None`` too."""
    return lambda value: None if value is None else check(value)


def items(value: Any, least: int, most: int, what: str) -> list[Any]:
    """Check a list (or tuple or array) of ``least`` to ``most`` items."""
    if isinstance(value, np.ndarray) and value.ndim and len(value) <= most:
        value = value.tolist()
    if not isinstance(value, list | tuple) or not least <= len(value) <= most:
        raise Lie(what)
    return list(value)


def classes(value: Any) -> tuple[str, ...]:
    """Check the class names of any segmentor."""
    return tuple(name(each) for each in items(value, 1, MOST_CLASSES, f'1 to {MOST_CLASSES} names of classes'))


def two_classes(value: Any) -> tuple[str, ...]:
    """Check the names of background and foreground."""
    found = classes(items(value, 2, 2, 'the names of two classes'))
    if found[0] == found[1]:
        raise Lie('the names of two classes that differ')
    return found


def palette(value: Any, least: int = 0, most: int = MOST_CLASSES) -> tuple[tuple[int, ...], ...]:
    """Check colours, each red, green and blue from 0 to 255."""
    count = f'{least} to {most}' if least != most else str(most)
    level = whole(0, 255)
    found = []
    for colour in items(value, least, most, f'{count} colours'):
        red, green, blue = items(colour, 3, 3, f'{count} colours of red, green and blue')
        found.append((level(red), level(green), level(blue)))
    return tuple(found)


def two_colours(value: Any) -> tuple[tuple[int, ...], ...]:
    """Check the colours of background and foreground."""
    return palette(value, 2, 2)


def size(value: Any) -> tuple[int, int]:
    """Check (width, height) in pixels."""
    what = f'width and height, each from 1 to {MOST_SIDE}'
    width, height = (whole(1, MOST_SIDE)(each) for each in items(value, 2, 2, what))
    if width * height > MOST_PIXELS:
        raise Lie(f'{what}, together at most {MOST_PIXELS} pixels')
    return width, height


def calibration(value: Any) -> Calibration:
    """Check temperature and bias."""
    found = _fields(value, Calibration, 'temperature and bias')
    return Calibration(number(1 / MOST_THRESHOLD, MOST_THRESHOLD)(found['temperature']), threshold(found['bias']))


def operating_points(value: Any) -> OperatingPoints:
    """Check the points of a curve: ascending thresholds, and a precision and a recall from 0 to 1 for each."""
    what = f'1 to {MOST_POINTS} ascending thresholds, and a precision and a recall from 0 to 1 for each'
    found = {key: items(column, 1, MOST_POINTS, what) for key, column in _fields(value, OperatingPoints, what).items()}
    share = number(0, 1)
    thresholds = tuple(threshold(each) for each in found['threshold'])
    precision, recall = (tuple(share(each) for each in found[key]) for key in ('precision', 'recall'))
    if len({len(column) for column in found.values()}) > 1 or list(thresholds) != sorted(set(thresholds)):
        raise Lie(what)
    return OperatingPoints(thresholds, precision, recall)


def _fields(value: Any, kind: type, what: str) -> dict[str, Any]:
    """Return the fields of a dataclass, from one or from a mapping, as JSON has it."""
    content = vars(value) if isinstance(value, kind) else value
    names = [field.name for field in fields(kind)]
    if not isinstance(content, Mapping) or not content.keys() >= set(names):
        raise Lie(what)
    return {each: content[each] for each in names}


def thresholds(value: Any) -> dict[str, float]:
    """Check the thresholds of several heads, by their names."""
    if not isinstance(value, Mapping) or len(value) > MOST_HEADS:
        raise Lie(f'at most {MOST_HEADS} heads with a threshold each')
    return {name(head): threshold(each) for head, each in value.items()}


batch = whole(1, MOST_BATCH)
precision = one_of(*PRECISIONS)

# The keys in a checkpoint's ``meta`` that this package or the host reads, with the newer and the older names of classes; those
# of the decision were found on val: the threshold with the highest F1, the calibration and the operating points; but for the
# last, the threshold that the end of the training folded into the bias.
THRESHOLD, CALIBRATION, POINTS = 'margin_threshold', 'margin_calibration', 'margin_operating_points'
FOLDED, FOLDED_HEADS = 'margin_folded', 'margin_folded_heads'
DECISION: dict[str, Check] = {THRESHOLD: threshold, CALIBRATION: calibration, POINTS: operating_points, FOLDED: threshold}
_DATASET: dict[str, Check] = {'classes': optional(classes), 'palette': optional(palette)}
_CHECKPOINT: dict[str, Check] = {
    'CLASSES': _DATASET['classes'],
    'PALETTE': _DATASET['palette'],
    'epoch': whole(0, 2**62),
    'iter': whole(0, 2**62),
    'seed': optional(whole(0, 2**32 - 1)),
    **DECISION,
    FOLDED_HEADS: thresholds,
}


def check_checkpoint_meta(meta: Any, file: object) -> None:
    """Check what a checkpoint's ``meta`` says about its classes, its progress and its decision; other keys are free.

    Raises:
        InputError: A value is not what its key needs.
    """
    read(meta, _CHECKPOINT, file)
    if meta.get('dataset_meta') is not None:
        read(meta['dataset_meta'], _DATASET, f'{file}: dataset_meta')


def _shown(value: Any) -> str:
    """Return a short text for a value of any type."""
    if isinstance(value, str | bool | int | float | None) and not (isinstance(value, int) and abs(value) > 2**64):
        shown = ascii(value)
        return shown if len(shown) <= 40 else f'{shown[:40]}...'
    return f'this {type(value).__name__}'
