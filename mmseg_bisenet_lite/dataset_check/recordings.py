"""Splits of one recording: photographs of two splits that show the same place.

A drive that is cut into train and val has no two photographs that are nearly the same if it was sampled once a second, and yet
val shows the houses and people of train. File names tell where to look: those with neighbouring numbers. Whether two
photographs show one place is decided by SIFT features: those that fit in both, and whose positions fit a camera that has moved.

On CamVid, each of 51 photographs of val had at least 14 such features in common with the train photograph whose number is
nearest, and 500 pairs of other places had 9 at most. Features that stay where they are do not count: they are the bonnet or a
dirty lens, which all drives of a car have in common; where the camera stands still the photographs are nearly the same anyway.
"""

import re
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import cv2
import numpy as np

from mmseg_bisenet_lite.dataset_check.files import Record, read_photograph
from mmseg_bisenet_lite.dataset_check.similar import distances

ENOUGH = 12  # features in common
SAMPLE = 32  # photographs of a split that are compared
_SIDE, _FEATURES, _RATIO, _STILL = 640, 1000, 0.75, 2.0  # the last in pixels
_NUMBER = re.compile('[0-9]+')


@dataclass(frozen=True, eq=False)
class Comparison:
    """A photograph of a split beside those of an earlier split that may show the same place.

    Attributes:
        record: The photograph.
        other: The photograph of the earlier split with the most features in common.
        features: Their number.
        by_chance: The number in common with a photograph drawn at random from the earlier split.
    """

    record: Record
    other: Record
    features: int
    by_chance: int


class Candidates:
    """The photographs of a split, to find those that may show the same place as another photograph.

    Args:
        records: The photographs; all have a hash.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self._hashes = np.frombuffer(b''.join(record.hash or b'' for record in records), np.uint8).reshape(len(records), -1)
        self._numbered: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for index, record in enumerate(records):
            if name := number_of(record.photograph):
                self._numbered.setdefault(name[:2], []).append((name[2], index))
        for numbers in self._numbered.values():
            numbers.sort()

    def of(self, record: Record) -> list[Record]:
        """Return the photographs with the nearest lower and higher number, and the one with the nearest hash."""
        bits = distances(self._hashes, np.frombuffer(record.hash or b'', np.uint8))
        found = {int(bits.argmin())}
        if name := number_of(record.photograph):
            numbers = self._numbered.get(name[:2], [])
            place = bisect(numbers, (name[2], 0))
            found |= {index for _, index in numbers[max(place - 1, 0) : place + 1]}
        return [self.records[index] for index in sorted(found)]


def number_of(path: str) -> tuple[str, str, int] | None:
    """Return what stands before and behind the number in a file's name, and the number; ``None`` without one.

    Of several numbers the one with the most digits counts, and of those the last, as in ``aachen_000000_000019_leftImg8bit``.
    """
    stem = PurePath(path).stem
    numbers = list(_NUMBER.finditer(stem))
    if not numbers:
        return None
    longest = max(numbers, key=lambda number: (len(number[0]), number.start()))
    return stem[: longest.start()], stem[longest.end() :], int(longest[0])


def compare(record: Record, candidates: Candidates, chance: Record) -> Comparison:
    """Compare a photograph with its candidates, and with one drawn at random."""
    features = _features(record)
    counts = [(in_common(features, _features(other)), other) for other in candidates.of(record)]
    most, other = max(counts, key=lambda each: each[0])
    return Comparison(record, other, most, in_common(features, _features(chance)))


def sample(records: Sequence[Record]) -> list[Record]:
    """Return at most ``SAMPLE`` records, evenly spread."""
    return [records[i] for i in np.unique(np.linspace(0, len(records) - 1, min(SAMPLE, len(records))).astype(int))]


def _features(record: Record) -> tuple[np.ndarray, np.ndarray]:
    _, pixels = read_photograph(record.part, record.photograph)
    height, width = pixels.shape[:2]
    size = tuple(max(1, round(side * _SIDE / max(height, width))) for side in (width, height))
    return features_of(cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY))


def features_of(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions, (features, 2) as (x, y) in pixels, and the descriptors, (features, 128), of a grey picture."""
    sift: Any = cv2.SIFT_create(_FEATURES)  # type: ignore[attr-defined]  # missing in the stubs of OpenCV 5
    points, descriptors = sift.detectAndCompute(grey, None)
    if descriptors is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    return np.array([point.pt for point in points], np.float32), descriptors


def in_common(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> int:
    """Return the number of features that two pictures have in common and whose positions fit a camera that has moved."""
    if min(len(one[0]), len(other[0])) < ENOUGH:
        return 0
    best: dict[int, cv2.DMatch] = {}
    for nearest, next_one in cv2.BFMatcher().knnMatch(one[1], other[1], 2):
        twin = best.get(nearest.trainIdx)
        if nearest.distance < _RATIO * next_one.distance and (twin is None or nearest.distance < twin.distance):
            best[nearest.trainIdx] = nearest
    here = one[0][[match.queryIdx for match in best.values()]]
    there = other[0][[match.trainIdx for match in best.values()]]
    moved = np.hypot(*(here - there).T) > _STILL
    if moved.sum() < ENOUGH:
        return 0
    _, fits = cv2.findFundamentalMat(here[moved], there[moved], cv2.USAC_MAGSAC, 1.5, 0.999, 2000)
    return 0 if fits is None else int(fits.sum())
