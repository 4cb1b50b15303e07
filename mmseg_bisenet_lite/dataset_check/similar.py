"""Photographs that are nearly the same, by perceptual hashes: found among 100,000 without comparing each with each.

The hash is ImageHash's ``phash``: the signs of the 16 x 16 lowest frequencies of the picture, around their median; 256 bits.
Two photographs are nearly the same if at most ``MOST`` bits differ, and of the 64 bits of the lowest frequencies at most
``MOST_LOW``. Photographs that have been saved again, made smaller, brightened or cropped by 2 % differ in up to 30 bits;
successive frames of a drive at 15 frames a second in up to 44; of 45,000 pairs from different drives, none in less than 90.
Mirrored copies are not found.

To find such pairs, the 64 bits are cut into 4 parts of 16. If at most 11 bits differ, then in one part at most 2 do, so it is
enough to look each part up with each of the 137 patterns of at most 2 bits changed: 548 look-ups for each photograph, whose few
hits are compared in full. 100,000 random hashes with CamVid's shares of ones took 1.8e8 comparisons in place of 5e9. Where all
photographs are alike, as of a camera that stands still, each is compared with each, a million pairs at a time.

Source: Norouzi et al., Fast search in Hamming space with multi-index hashing, 2012, https://arxiv.org/abs/1307.2982.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np

from mmseg_bisenet_lite.utils.library import require

MOST, MOST_LOW = 48, 11  # differing bits
_SIDE, _LOW, _PARTS = 16, 8, 4
_CHUNK = 2**20  # pairs that are compared at a time
_FAR = np.iinfo(np.int64).max
_ONES = np.array([bin(byte).count('1') for byte in range(256)], np.uint16)
_MASKS = [sum(1 << bit for bit in bits) for count in range(MOST_LOW // _PARTS + 1) for bits in combinations(range(16), count)]

Hash = Callable[[np.ndarray], bytes]


def perceptual_hash() -> Hash:
    """Return the function from a photograph, (height, width, 3), uint8, BGR, to its hash of 32 bytes, the lowest 8 first.

    Raises:
        InputError: ImageHash is missing.
    """
    imagehash = require('imagehash', 'ImageHash')
    image = require('PIL.Image', 'Pillow')

    def hash_of(pixels: np.ndarray) -> bytes:
        grey = cv2.cvtColor(cv2.resize(pixels, (256, 256), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        bits = np.asarray(imagehash.phash(image.fromarray(grey), hash_size=_SIDE).hash)
        low = bits[:_LOW, :_LOW].reshape(-1, _PARTS).T  # each part has bits from everywhere
        return np.packbits(np.concatenate([low.ravel(), bits[:_LOW, _LOW:].ravel(), bits[_LOW:].ravel()])).tobytes()

    return hash_of


def distances(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the number of bits in which hashes differ, (..., bytes) uint8 each."""
    return _ONES[one ^ others].sum(-1, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For each photograph, the one of each split that is nearest to it.

    Attributes:
        nearest: (photographs, splits): number of the nearest other photograph in that split; -1 if none is nearly the same.
        bits: (photographs, splits): in how many bits the two differ, if there is one.
        sequences: Number of sequences of each split, in which each photograph is nearly the same as another one.
    """

    nearest: np.ndarray
    bits: np.ndarray
    sequences: list[int]


def neighbours(hashes: np.ndarray, split: np.ndarray, splits: int) -> Neighbours:
    """Find the photographs that are nearly the same.

    Args:
        hashes: (photographs, 32), uint8.
        split: (photographs,): number of the split of each.
        splits: Number of splits.
    """
    unique, of = np.unique(hashes, axis=0, return_inverse=True)
    of = of.reshape(-1)
    numbers = np.arange(len(hashes))
    last = np.full((len(unique), splits), -1)  # of each hash, the last photograph in each split, and the first
    np.maximum.at(last, (of, split), numbers)
    first = np.where(last < 0, -1, len(hashes))
    np.minimum.at(first, (of, split), numbers)
    nearest = np.full((len(unique), splits), _FAR)  # bits * 2**32 + photograph
    sequence = np.tile(np.arange(len(unique)), (splits, 1))
    for one, other, bits in _pairs(unique):
        for number in range(splits):
            for a, b in ((one, other), (other, one)):
                there = first[b, number] >= 0
                np.minimum.at(nearest[:, number], a[there], (bits[there] << 32) + first[b, number][there])
            inside = (first[one, number] >= 0) & (first[other, number] >= 0)
            sequence[number] = _joined(sequence[number], one[inside], other[inside])
    found = nearest[of]
    for number in range(splits):  # the same hash is nearer still: another photograph that has it
        twin = first[of, number]
        twin = np.where(twin != numbers, twin, np.where(last[of, number] != numbers, last[of, number], -1))
        found[:, number] = np.where(twin >= 0, twin, found[:, number])
    return Neighbours(
        nearest=np.where(found == _FAR, -1, found & (2**32 - 1)),
        bits=found >> 32,
        sequences=[len(np.unique(sequence[number][first[:, number] >= 0])) for number in range(splits)],
    )


def _joined(group: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the groups after the groups of each pair have become one."""
    if not len(one):
        return group
    sparse, csgraph = require('scipy.sparse', 'scipy'), require('scipy.sparse.csgraph', 'scipy')
    edges = sparse.coo_matrix((np.ones(len(one), bool), (group[one], group[other])), shape=(len(group),) * 2)
    joined: np.ndarray = csgraph.connected_components(edges, directed=False)[1]
    return joined[group]


def _pairs(hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the pairs of different hashes that are nearly the same, some of them several times, and the bits that differ."""
    parts = np.ascontiguousarray(hashes[:, : 2 * _PARTS]).view('>u2').astype(np.int64)
    for part in parts.T:
        order = np.argsort(part, kind='stable')
        begin = np.searchsorted(part[order], np.arange(2**16 + 1))
        for mask in _MASKS:
            wanted = part ^ mask
            counts = begin[wanted + 1] - begin[wanted]
            ends = np.cumsum(counts)
            for low in range(0, int(ends[-1]) if len(ends) else 0, _CHUNK):
                hit = np.arange(low, min(low + _CHUNK, int(ends[-1])))
                one = np.searchsorted(ends, hit, side='right')
                other = order[begin[wanted[one]] + hit - (ends[one] - counts[one])]
                keep = one < other
                one, other = one[keep], other[keep]
                keep = distances(hashes[one, :8], hashes[other, :8]) <= MOST_LOW
                one, other = one[keep], other[keep]
                bits = distances(hashes[one], hashes[other])
                keep = bits <= MOST
                if keep.any():
                    yield one[keep], other[keep], bits[keep]
