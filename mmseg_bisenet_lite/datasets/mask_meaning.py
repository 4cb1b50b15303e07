"""MaskMeaning: which values or colours of masks are foreground, background and ignored; and what a config says of it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmseg_bisenet_lite.datasets.mask_keys import MOST_COLOURS, REST, Colour, as_colour, keys_of, told
from mmseg_bisenet_lite.datasets.transforms.loading import UNKNOWN
from mmseg_bisenet_lite.utils.errors import InputError


@dataclass(frozen=True)
class MaskMeaning:
    """What the masks of a folder hold.

    Attributes:
        kind: ``'grey'``, ``'palette'`` (values are its indices) or ``'colours'``.
        foreground: Keys of the foreground, see :func:`keys_of`; all values, or all colours.
        background: Keys of the background; ``None`` if it is all that the others do not name.
        ignore: Keys of pixels without a label.
    """

    kind: str
    foreground: tuple[int, ...]
    background: tuple[int, ...] | None
    ignore: tuple[int, ...]

    @property
    def keys(self) -> tuple[int, ...]:
        """All keys that are named."""
        return (*(self.background or ()), *self.foreground, *self.ignore)

    @property
    def colours(self) -> tuple[int, ...] | None:
        """The colours, in the order of their numbers in a label map; ``None`` for masks of values."""
        return self.keys if self.kind == 'colours' else None

    def table(self, ignore_index: int) -> np.ndarray:
        """Return the class of each value, or of each number of a colour: 1, 0, ``ignore_index`` or ``UNKNOWN``.

        Shape:
            - Output: (256,) uint8.
        """
        table = np.full(256, UNKNOWN if self.background is not None else 0, np.uint8)
        for number, key in enumerate(self.keys):
            label = 1 if key in self.foreground else ignore_index if key in self.ignore else 0
            table[number if self.colours else key] = label
        return table

    def told(self, name: str = 'foreground') -> str:
        """Return it for the log, such as ``'grey, 0 is background, 255 is crack'``."""
        background = 'all else' if self.background is None else told(self.background)
        ignored = f', {told(self.ignore)} is ignored' if self.ignore else ''
        return f'{self.kind}, {background} is background, {told(self.foreground)} is {name}{ignored}'


class GivenKeys:
    """What a config says about the masks: ``foreground``, ``background`` and ``ignore``, each as :func:`keys_of` takes them.

    Raises:
        InputError: An option is none of these, or two name the same.
    """

    def __init__(self, foreground: Any = None, background: Any = None, ignore: Any = None) -> None:
        self.rest = background == REST
        self.foreground = () if foreground is None else keys_of('foreground', foreground)
        self.background = () if background is None or self.rest else keys_of('background', background)
        self.ignore = () if ignore is None else keys_of('ignore', ignore)
        self.keys = (*self.foreground, *self.background, *self.ignore)
        if (background is not None) and not self.foreground:
            raise InputError(f'background={background!r}: give foreground= too')
        if len(self.keys) > MOST_COLOURS:
            raise InputError(f'foreground, background and ignore name {len(self.keys)} values: at most {MOST_COLOURS}')
        if twice := [key for key, count in Counter(map(as_colour, self.keys)).items() if count > 1]:
            raise InputError(f'foreground, background and ignore: {twice[0]} is in two of them, or as a value and as a colour')

    def in_colours(self) -> bool:
        """Whether a colour is given."""
        return any(isinstance(key, Colour) for key in self.keys)
