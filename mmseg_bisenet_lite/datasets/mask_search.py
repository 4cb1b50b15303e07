"""Find out what the masks of a folder mean, from some of them."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mmseg_bisenet_lite.datasets.decoding import decode
from mmseg_bisenet_lite.datasets.mask_keys import (
    COLOUR_MODES,
    INVISIBLE,
    REST,
    Colour,
    as_colour,
    decode_colours,
    mode_of,
    told,
    unknown_keys,
)
from mmseg_bisenet_lite.datasets.mask_meaning import GivenKeys, MaskMeaning
from mmseg_bisenet_lite.utils.errors import InputError

ENOUGH = 64  # masks that are looked at, spread over the folder
MOST = 1024  # the same, while all of them are empty
ENOUGH_PIXELS = 2**25  # of large masks fewer are enough

# What two values mean where nobody says it: black, and the foreground's.
_USUAL: tuple[tuple[int, int], ...] = ((0, 1), (0, 255), (Colour(0), Colour(0xFFFFFF)))


def find_meaning(folder: str, files: Sequence[str], given: GivenKeys, read: Callable[[str], bytes]) -> MaskMeaning:
    """Return what the masks of a folder hold: as given, or found out from some of them, which are checked too.

    Where nothing is given, masks of 0 and 1, of 0 and 255, and of black and white are understood.

    Args:
        folder: Name of the folder, for errors.
        files: Paths of the masks.
        given: What the config says.
        read: Returns the content of a file.

    Raises:
        InputError: A mask cannot be read or holds what is not given, or it is not clear what the masks mean.
    """
    spread = random.Random(0).sample(list(files), min(len(files), MOST))  # noqa: S311  the same in every process
    modes = {path: mode_of(read(path), path) for path in spread[:ENOUGH]}
    kind = _kind_of(folder, modes, given)
    seen: dict[str, dict[int, int]] = {}  # key -> number of pixels, of each mask
    looked, found = 0, False
    white = 1 if 1 in given.keys and 255 not in given.keys else 255  # of masks with 1 bit a pixel
    for path, counts in _look(spread, kind, white, read):
        seen[path] = counts
        looked += sum(counts.values())
        found = found or bool(given.foreground) or any(counts)
        if found and (len(seen) >= ENOUGH or looked >= ENOUGH_PIXELS):
            break
    convert = as_colour if kind == 'colours' else int
    ignore = tuple(map(convert, given.ignore))
    if given.foreground:
        foreground, background = tuple(map(convert, given.foreground)), tuple(map(convert, given.background))
        black = convert(0)
        if not background and not given.rest:
            if black in (*foreground, *ignore):
                raise InputError(
                    f'foreground={told(foreground)}: the background is {black} unless another one is given; give '
                    'background= too'
                )
            background = (black,)
    else:
        background, foreground = _understood(folder, kind, seen, ignore)
    meaning = MaskMeaning(kind, foreground, None if given.rest else background, ignore)
    for path, counts in seen.items() if not given.rest else ():
        if strange := {key: count for key, count in counts.items() if key not in meaning.keys}:
            raise unknown_keys(path, strange, meaning.keys)
    return meaning


def _kind_of(folder: str, modes: dict[str, str], given: GivenKeys) -> str:
    example = {mode: path for path, mode in modes.items()}
    coloured = next((path for mode, path in example.items() if mode in COLOUR_MODES), None)
    values = [key for key in given.keys if not isinstance(key, Colour)]
    if 'P' in example and (coloured or given.in_colours()) and (values or not given.in_colours()):
        other = f'{coloured} holds colours' if coloured else 'another option is a colour'
        raise InputError(
            f'{folder}: {example["P"]} has a palette, so values are its indices, but {other}; give foreground=, '
            'background= and ignore= as colours'
        )
    if given.in_colours() or coloured:
        return 'colours'
    return 'palette' if 'P' in example else 'grey'


def _look(files: Sequence[str], kind: str, white: int, read: Callable[[str], bytes]) -> Iterator[tuple[str, dict[int, int]]]:
    """Yield the number of pixels of each key, of one mask after the other."""
    for path in files:
        data = read(path)
        pixels = decode_colours(data, path) if kind == 'colours' else decode(data, path, 'unchanged', 'pillow', 'label map')
        if pixels.dtype == bool:
            pixels = pixels.astype(np.uint8) * np.uint8(white)
        if pixels.ndim != 2 or (kind != 'colours' and (pixels.dtype.kind not in 'iu' or pixels.max(initial=0) > 255)):
            raise InputError(
                f'{path}: a mask needs one channel of 8 bits or RGB colours, not {pixels.dtype} of shape {pixels.shape}; save '
                'it as an 8-bit PNG, grey or RGB'
            )
        counts = _count(pixels)
        yield path, {Colour(key): count for key, count in counts.items()} if kind == 'colours' else counts


def _count(pixels: np.ndarray) -> dict[int, int]:
    """Return how many pixels have each value; of a few values faster than ``np.unique``, which sorts all pixels."""
    counts: dict[int, int] = {}
    left = pixels.ravel()
    while left.size and len(counts) < 8:
        value = left[left.size // 2]
        others = left[left != value]
        counts[int(value)] = left.size - others.size
        left = others
    if left.size:
        values, numbers = np.unique(left, return_counts=True)
        counts.update(zip(values.tolist(), numbers.tolist(), strict=True))
    return counts


def _understood(
    folder: str, kind: str, seen: dict[str, dict[int, int]], ignore: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the keys of background and foreground where nobody says them."""
    total: Counter[int] = Counter()
    for counts in seen.values():
        total.update(counts)
    present = {key for key in total if key not in ignore}
    for black, other in _USUAL:
        if isinstance(black, Colour) == (kind == 'colours') and {other} <= present <= {black, other}:
            return (black,), (other,)
    if present <= {0}:
        raise InputError(
            f'{folder}: {len(seen)} masks that were looked at have no other value than 0, so nobody knows what the foreground '
            'is; give foreground=, such as 255 or 1, or masks with foreground'
        )
    raise _unclear(folder, seen, total, sorted(present, key=lambda key: (-total[key], key)))


def _unclear(folder: str, seen: dict[str, dict[int, int]], total: Counter[int], often: list[int]) -> InputError:
    """Return the error for masks of which nobody says what they mean; ``often``: the keys, the most frequent one first."""
    what = 'colours' if isinstance(often[0], Colour) else 'values'
    pixels = sum(total.values())
    shares = ', '.join(f'{key} ({100 * total[key] / pixels:.3g} %)' for key in often[:4])
    shares += f' and {len(often) - 4} more' if len(often) > 4 else ''
    file, count = next((path, counts[often[-1]]) for path, counts in seen.items() if often[-1] in counts)
    held = (
        f'{folder}: the {len(seen)} masks that were looked at hold the {what} {shares} ({often[-1]}: {count} pixels in {file})'
    )
    if len(often) > 8:
        return InputError(
            f'{held}. So many come from soft edges, from JPEG or from photographs: are img_path and seg_map_path swapped? Save '
            f"masks as PNG with hard edges, or say what is what with foreground=, background= ('{REST}': all else) and ignore="
        )
    texts = [repr(str(key)) if isinstance(key, Colour) else str(key) for key in often if key and key != INVISIBLE]
    others = ''
    if INVISIBLE in often:
        texts = texts or [repr(str(Colour(0)))]
        others = f', background={str(INVISIBLE)!r}'
    elif len(texts) > 1:
        others = f', ignore={texts[1]}' if len(texts) == 2 else f", background='{REST}'"
    return InputError(
        f'{held}, so it is not clear which is the foreground; say it with foreground=, background= and ignore=, such as '
        f'foreground={texts[0]}{others}, or mend the file'
    )
