"""Nearly the same photographs: found as comparing each with each finds them, and as people would."""

import numpy as np
import pytest

from mmseg_bisenet_lite.dataset_check import similar
from mmseg_bisenet_lite.dataset_check.similar import MOST, MOST_LOW, neighbours


def flipped(hashes, rng, most):
    """The hashes with up to ``most`` bits flipped in each."""
    bits = np.unpackbits(hashes, axis=1)
    for row in bits:
        row[rng.choice(256, rng.integers(0, most + 1), replace=False)] ^= 1
    return np.packbits(bits, axis=1)


@pytest.fixture
def hashes():
    """Some alike, some the same, most different."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (120, 32), np.uint8)
    return np.concatenate([first, flipped(first[:60], rng, 70), first[50:70], flipped(first[:40], rng, 30)])


def by_comparing_each_with_each(hashes, split, splits):
    bits = np.unpackbits(hashes, axis=1)
    differ = bits[:, None] != bits[None]
    alike = (differ.sum(2) <= MOST) & (differ[..., :64].sum(2) <= MOST_LOW)
    np.fill_diagonal(alike, False)
    least = [np.where(alike & (split == number), differ.sum(2), 999).min(1) for number in range(splits)]
    sequences = []
    for number in range(splits):
        left, count = set(np.flatnonzero(split == number).tolist()), 0
        while left:
            count, edge = count + 1, {left.pop()}
            while edge:
                edge = {other for one in edge for other in left if alike[one, other]}
                left -= edge
        sequences.append(count)
    return np.stack(least, 1), sequences


@pytest.mark.parametrize('chunk', [7, 2**20])
def test_as_by_comparing_each_with_each(hashes, chunk, monkeypatch):
    monkeypatch.setattr(similar, '_CHUNK', chunk)
    split = np.random.default_rng(1).integers(0, 3, len(hashes))
    found = neighbours(hashes, split, 3)
    least, sequences = by_comparing_each_with_each(hashes, split, 3)
    there = least < 999
    assert there.any(0).all()
    assert not there.all(0).any()
    assert np.array_equal(found.nearest >= 0, there)
    assert np.array_equal(found.bits[there], least[there])
    rows, columns = np.nonzero(there)
    nearest = found.nearest[there]
    assert np.array_equal(split[nearest], columns)
    assert (nearest != rows).all()
    assert np.array_equal(np.unpackbits(hashes[rows] ^ hashes[nearest], axis=1).sum(1), least[there])
    assert found.sequences == sequences


def test_nothing_is_like_nothing():
    found = neighbours(np.zeros((0, 32), np.uint8), np.zeros(0, int), 2)
    assert (found.nearest.shape, found.sequences) == ((0, 2), [0, 0])


def test_different_scenes_are_not_compared_each_with_each(monkeypatch):
    compared = []
    distances = similar.distances
    monkeypatch.setattr(similar, 'distances', lambda one, other: compared.append(len(one)) or distances(one, other))
    count = 4000
    neighbours(np.random.default_rng(0).integers(0, 256, (count, 32), np.uint8), np.zeros(count, int), 1)
    assert sum(compared) < count**2 / 200


def test_copies_have_hashes_that_are_nearly_the_same():
    pytest.importorskip('imagehash', reason='ImageHash, of the extra check, is not installed')
    import cv2

    hash_of = similar.perceptual_hash()
    rng = np.random.default_rng(0)
    scenes = [
        cv2.resize(rng.integers(0, 256, (9, 12, 3), np.uint8), (480, 360), interpolation=cv2.INTER_CUBIC) for _ in range(3)
    ]
    copies = [
        *(cv2.resize(scene, (240, 180), interpolation=cv2.INTER_AREA) for scene in scenes),
        *(cv2.imdecode(cv2.imencode('.jpg', scene, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1) for scene in scenes),
        *(scene[4:-4, 5:-5] for scene in scenes),
    ]
    hashes = np.stack([np.frombuffer(hash_of(each), np.uint8) for each in (*scenes, *copies)])
    assert hashes.shape == (12, 32)
    found = neighbours(hashes, np.repeat([0, 1], [3, 9]), 2)
    assert found.nearest[3:, 0].tolist() == [0, 1, 2] * 3
    assert found.sequences == [3, 3]
