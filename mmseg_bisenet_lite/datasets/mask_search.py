"""Find out what the masks of a folder mean, from some of them."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

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


class UnclearMasksError(InputError):
    """Nobody says what the masks of a folder mean."""


def find_meaning(folder: str, files: Sequence[str], given: GivenKeys, read: Callable[[str], bytes]) -> MaskMeaning:
    """Return what :func:`guess_meaning` does, with its first fault as an error."""
    meaning, faults = guess_meaning(folder, files, given, read)
    if faults:
        raise faults[0]
    return meaning


def guess_meaning(
    folder: str, files: Sequence[str], given: GivenKeys, read: Callable[[str], bytes]
) -> tuple[MaskMeaning, list[InputError]]:
    """Return what the masks of a folder hold, as given, or found out from some of them; and what is wrong with these.

    Where nothing is given, masks of 0 and 1, of 0 and 255, and of black and white are understood.

    Args:
        folder: Name of the folder, for errors.
        files: Paths of the masks.
        given: What the config says.
        read: Returns the content of a file.

    Returns:
        What they hold, and the faults: masks that cannot be read or hold what is not given. If not all of them agree, an
        :class:`UnclearMasksError` is among the faults, and what most of them hold is returned.

    Raises:
        UnclearMasksError: It is not even clear what most of them mean.
        InputError: No mask can be read, or what is given does not fit.
    """
    spread = random.Random(0).sample(list(files), min(len(files), MOST))  # noqa: S311  the same in every process
    modes: dict[str, str] = {}
    seen: dict[str, dict[int, int]] = {}  # key -> number of pixels, of each mask
    faults: list[InputError] = []
    for path in spread[:ENOUGH]:
        try:
            modes[path] = mode_of(read(path), path)
        except InputError as error:
            faults.append(error)
    if not modes:
        raise faults[0]
    kind = _kind_of(folder, modes, given)
    convert = as_colour if kind == 'colours' else int
    ignore = tuple(map(convert, given.ignore))
    looked, found = 0, False
    white = 1 if 1 in given.keys and 255 not in given.keys else 255  # of masks with 1 bit a pixel
    for path in (path for path in spread if path in modes or path not in spread[:ENOUGH]):
        try:
            counts = _look(path, kind, white, read)
        except InputError as error:
            faults.append(error)
            continue
        seen[path] = counts
        looked += sum(counts.values())
        found = found or bool(given.foreground) or any(key for key in counts if key not in ignore)
        if found and (len(seen) >= ENOUGH or looked >= ENOUGH_PIXELS):
            break
    if not seen:
        raise faults[0]
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
        try:
            background, foreground = _understood(folder, kind, seen, ignore)
        except UnclearMasksError as error:
            if not (most := _most(kind, seen, ignore)):
                raise
            return MaskMeaning(kind, most[1:], most[:1], ignore), [*faults, error]
    meaning = MaskMeaning(kind, foreground, None if given.rest else background, ignore)
    for path, counts in seen.items() if not given.rest else ():
        if strange := {key: count for key, count in counts.items() if key not in meaning.keys}:
            faults.append(unknown_keys(path, strange, meaning.keys))
    return meaning, faults


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


def _look(path: str, kind: str, white: int, read: Callable[[str], bytes]) -> dict[int, int]:
    """Return the number of pixels of each key of a mask."""
    data = read(path)
    pixels = decode_colours(data, path) if kind == 'colours' else decode(data, path, 'unchanged', 'pillow', 'label map')
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * np.uint8(white)
    if pixels.ndim != 2 or (kind != 'colours' and (pixels.dtype.kind not in 'iu' or pixels.max(initial=0) > 255)):
        raise InputError(
            f'{path}: a mask needs one channel of 8 bits or RGB colours, not {pixels.dtype} of shape {pixels.shape}; save it '
            'as an 8-bit PNG, grey or RGB'
        )
    counts = _count(pixels)
    return {Colour(key): count for key, count in counts.items()} if kind == 'colours' else counts


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
        only = told(dict.fromkeys((0, *ignore)))
        raise UnclearMasksError(
            f'{folder}: {len(seen)} masks that were looked at have no other value than {only}, so nobody knows what the '
            'foreground is; give foreground=, such as 255 or 1, or masks with foreground'
        )
    raise _unclear(folder, seen, total, sorted(present, key=lambda key: (-total[key], key)))


def _most(kind: str, seen: dict[str, dict[int, int]], ignore: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the keys of background and foreground of at least half of the masks with foreground; ``None`` without such."""
    held = [keys for counts in seen.values() if any(keys := counts.keys() - {*ignore})]
    for black, other in _USUAL:
        agree = sum({other} <= keys <= {black, other} for keys in held)
        if isinstance(black, Colour) == (kind == 'colours') and agree and 2 * agree >= len(held):
            return black, other
    return None


def _unclear(folder: str, seen: dict[str, dict[int, int]], total: Counter[int], often: list[int]) -> UnclearMasksError:
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
        return UnclearMasksError(
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
    return UnclearMasksError(
        f'{held}, so it is not clear which is the foreground; say it with foreground=, background= and ignore=, such as '
        f'foreground={texts[0]}{others}, or mend the file'
    )
