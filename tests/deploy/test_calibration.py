from dataclasses import replace

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Calibration, abstain
from mmseg_bisenet_lite.utils.errors import InputError


def test_a_pixel_is_undecided_where_neither_class_is_probable_enough():
    probability = np.array([[0.0, 0.1, 0.2, 0.5], [0.79, 0.8, 0.95, 1.0]], np.float32)
    mask = np.array([[0, 0, 0, 1], [1, 1, 1, 1]], np.uint8)
    before = mask.copy()
    for p, expected in (
        (0.5, [[0, 0, 0, 1], [1, 1, 1, 1]]),
        (0.75, [[0, 0, 0, 255], [1, 1, 1, 1]]),
        (0.9, [[0, 0, 255, 255], [255, 255, 1, 1]]),
        (0.999, [[0, 255, 255, 255], [255, 255, 255, 1]]),
    ):
        found = abstain(mask, probability, p)
        assert found.tolist() == expected
        assert found.dtype == np.uint8
    assert np.array_equal(mask, before)


def test_what_cannot_be_is_named():
    mask = np.zeros((2, 3), np.uint8)
    for p in (0.49, 1.0, float('nan')):
        with pytest.raises(InputError, match=r'give a probability from 0\.5 to below 1'):
            abstain(mask, mask.astype(np.float32), p)
    with pytest.raises(InputError, match=r'a mask of \(2, 3\) and probabilities of \(3, 2\)'):
        abstain(mask, np.zeros((3, 2), np.float32), 0.9)


@pytest.mark.parametrize('threshold', [0.0, 1.14, -2.5])
def test_the_probability_does_not_depend_on_the_files_threshold(metadata, threshold):
    calibration = Calibration(0.63, -1.44)
    raw = np.linspace(-5, 5, 12, dtype=np.float32).reshape(3, 4)
    found = replace(metadata, threshold=threshold, calibration=calibration).probability(raw - np.float32(threshold))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, calibration.probability(raw), rtol=0, atol=1e-6)


def test_a_file_without_calibration_gives_no_probability(metadata):
    with pytest.raises(InputError, match=r'the file has no calibration, .*; export it again'):
        metadata.probability(np.zeros((2, 2), np.float32))
