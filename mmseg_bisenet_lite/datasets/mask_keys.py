"""What a pixel of a mask holds: a grey value or a palette's index, or a colour; each as one number, its key."""

import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import check_image, upright

REST = 'rest'  # as background=: every key that is nowhere else

# Modes of Pillow that can hold colours; masks of other modes are read as values.
COLOUR_MODES = ('RGB', 'RGBA', 'LA', 'PA')
_WITHOUT_COLOURS = ('1', 'L', 'P')

_OPAQUE, _WHITE = 0xFF, 0xFFFFFF
MOST_COLOURS = 254  # of an option, since label maps have 8 bits


class UnknownValuesError(InputError):
    """A label map holds values or colours that are no class of its data set."""


class Colour(int):
    """A colour as a key: 0xRRGGBB, plus what it lacks to be opaque, 0 to 255, above these 24 bits."""

    def __str__(self) -> str:
        transparency = int(self) >> 24
        return f'#{int(self) & _WHITE:06x}' + (f'{_OPAQUE - transparency:02x}' if transparency else '')

    __repr__ = __str__


INVISIBLE = Colour(_OPAQUE << 24)


def keys_of(option: str, given: Any) -> tuple[int, ...]:
    """Return the keys that an option of a data set names, values as ``int`` and colours as :class:`Colour`.

    Args:
        option: Name of the option, for errors.
        given: A value from 0 to 255; a colour, as ``'#ff0000'``, a name of CSS or the tuple (red, green, blue), perhaps with
            alpha as the last one; or a list of such.

    Raises:
        InputError: Something else is given.
    """
    several = isinstance(given, Sequence) and not isinstance(given, str | tuple)
    keys = tuple(_key_of(option, each) for each in (given if several else [given]))
    if not keys or len(set(keys)) < len(keys):
        raise InputError(f'{option}={given!r}: give each value or colour once; a colour is a text or a tuple of three numbers')
    return keys


def _key_of(option: str, given: Any) -> int:
    whole = isinstance(given, int) and not isinstance(given, bool)
    if whole and 0 <= given <= 255:
        return int(given)
    wrong = (
        f"{option}={given!r}: give a value from 0 to 255, a colour such as '#ff0000', 'red' or (255, 0, 0), or a list of such"
    )
    channels: Any = given
    if isinstance(given, str):
        if re.fullmatch(r'\d+', given.strip()):  # of a config in JSON or YAML, or of the command line
            return _key_of(option, int(given))
        with as_input_error(wrong, ValueError):
            channels = ImageColor.getrgb(given)
    numbers = isinstance(channels, tuple) and all(isinstance(n, int) and 0 <= n <= 255 for n in channels)
    if not numbers or len(channels) not in (3, 4):
        raise InputError(wrong)
    red, green, blue, alpha = (*channels, _OPAQUE)[:4]
    return Colour((_OPAQUE - alpha) << 24 | red << 16 | green << 8 | blue if alpha else INVISIBLE)


def as_colour(key: int) -> Colour:
    """Return a key as a colour; of a grey value that grey."""
    return key if isinstance(key, Colour) else Colour(key * 0x010101)


def told(keys: Iterable[int], most: int = 8) -> str:
    """Return keys for a message, of more than ``most`` only the first."""
    texts = [str(key) for key in keys]
    return ', '.join(texts[:most]) + (f' and {len(texts) - most} more' if len(texts) > most else '')


def mode_of(data: bytes, name: str) -> str:
    """Return the mode of a mask's file as Pillow names it: ``'1'``, ``'L'``, ``'P'`` (with a palette), ``'RGB'``, ...

    Raises:
        InputError: The content is not a whole image.
    """
    check_image(data, name, 'label map')
    damaged = f'{name}: not a readable label map, or a damaged one'
    with as_input_error(damaged, OSError, SyntaxError, ValueError), Image.open(io.BytesIO(data)) as image:
        return image.mode


def decode_colours(data: bytes, name: str) -> np.ndarray:
    """Return the colour of each pixel of a mask, as numbers like those of :class:`Colour`.

    A palette's indices become its colours, and grey values become greys. Invisible pixels have one colour, ``#00000000``.

    Args:
        data: Content of the file.
        name: Name of the file, for errors.

    Shape:
        - Output: (height, width), uint32; upright.

    Raises:
        InputError: The content is not a whole image with 1 or 8 bits for each channel.
    """
    header = check_image(data, name, 'label map')
    damaged = f'{name}: not a readable label map, or a damaged one'
    errors = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
    with as_input_error(damaged, *errors), Image.open(io.BytesIO(data)) as image:
        mode = image.mode
        readable = mode in (*COLOUR_MODES, *_WITHOUT_COLOURS)
        pixels = np.asarray(image.convert('RGBA') if readable else ()).astype(np.uint32)  # (height, width, 4)
    if not readable:
        raise InputError(f'{name}: a mask of mode {mode}; save it as an 8-bit PNG, grey or RGB')
    red, green, blue, alpha = (pixels[..., channel] for channel in range(4))
    codes = (_OPAQUE - alpha) << 24 | red << 16 | green << 8 | blue
    codes[alpha == 0] = INVISIBLE
    return upright(codes, header.orientation)


def numbered(codes: np.ndarray, colours: Sequence[int], rest: bool, path: str) -> np.ndarray:
    """Return the label map in which the number of each pixel is the place of its colour in ``colours``.

    Args:
        codes: (height, width) of :func:`decode_colours`.
        colours: At most ``MOST_COLOURS`` colours.
        rest: Whether other colours get 255; otherwise they are an error.
        path: Name of the file, for errors.

    Shape:
        - Output: (height, width), uint8.

    Raises:
        InputError: There are other colours.
    """
    label = np.full(codes.shape, 255, np.uint8)
    for number, colour in enumerate(colours):
        label[codes == colour] = number
    if not rest and (strange := label == 255).any():
        counts = dict(zip(*(part.tolist() for part in np.unique(codes[strange], return_counts=True)), strict=True))
        raise unknown_keys(path, {Colour(key): count for key, count in counts.items()}, [Colour(key) for key in colours])
    return label


def unknown_keys(path: str, counts: dict[int, int], known: Sequence[int]) -> UnknownValuesError:
    """Return the error for a mask with keys that its data set does not know.

    Args:
        path: Name of the file.
        counts: Number of pixels of each unknown key.
        known: Keys that the data set knows.
    """
    often = sorted(counts, key=lambda key: (-counts[key], key))
    kind = 'colour' if isinstance(often[0], Colour) else 'value'
    pixels = sum(counts.values())
    if len(counts) > 8 or path.lower().endswith(('.jpg', '.jpeg')):
        advice = (
            'so many come from soft edges, from JPEG, from resizing with interpolation or from a photograph in place of a '
            'mask: save masks as PNG with hard edges'
        )
    else:
        advice = (
            f"say what it means with foreground=, background= or ignore= (background='{REST}' is all that the others do not "
            'name), or mend the file'
        )
    return UnknownValuesError(
        f'{path}: the {kind} {told(often)} of {pixels} pixels is neither foreground nor background nor ignored '
        f'(the data set knows {told(known)}); {advice}'
    )
