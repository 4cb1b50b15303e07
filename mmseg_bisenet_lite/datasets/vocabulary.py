"""Vocabularies: what the values of label maps mean, and the tables that map them to labels."""

from collections.abc import Mapping, Sequence

import numpy as np

from mmseg_bisenet_lite.datasets.transforms.loading import UNKNOWN
from mmseg_bisenet_lite.utils.errors import InputError

VOID = None  # in a vocabulary: pixels with this value are labelled, but ignored

Vocabulary = Mapping[int, str | None]


def checked_values(values: Mapping[int | str, str | None]) -> dict[int, str | None]:
    """Return ``values`` with numbers as keys; JSON and YAML configs have them as text."""
    checked: dict[int, str | None] = {}
    for value, name in values.items() if isinstance(values, Mapping) else ():
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if isinstance(number, bool) or number not in range(256) or not isinstance(name, str | None):
            raise InputError(f'values={{{value!r}: {name!r}}}: give a label value from 0 to 255, and a name or None')
        checked[int(number)] = name
    if len(checked) < 2:
        raise InputError(f"values={values!r}: give the name of each label value, such as {{0: 'background', 255: 'crack'}}")
    return checked


def class_names(vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the names of a vocabulary's classes, without void, in the order of their values."""
    return tuple(dict.fromkeys(name for _, name in sorted(vocabulary.items()) if name is not VOID))


def class_table(vocabulary: Vocabulary, ignore_index: int = 255) -> np.ndarray:
    """Return each label value's place in :func:`class_names`, ``ignore_index`` for void, ``UNKNOWN`` for no class.

    Shape:
        - Output: (256,) uint8.
    """
    names = class_names(vocabulary)
    table = np.full(256, UNKNOWN, np.uint8)
    for value, name in vocabulary.items():
        table[value] = ignore_index if name is VOID else names.index(name)
    return table


def label_table(vocabulary: Vocabulary, foreground: Sequence[str], ignore_index: int = 255) -> np.ndarray:
    """Return the class of each label value: 1 foreground, 0 background, ``ignore_index`` void, ``UNKNOWN`` for no class.

    Shape:
        - Output: (256,) uint8.
    """
    table = np.full(256, UNKNOWN, np.uint8)
    for value, name in vocabulary.items():
        table[value] = ignore_index if name is VOID else name in foreground
    return table
