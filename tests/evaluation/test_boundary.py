import cv2
import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from mmseg_bisenet_lite.evaluation.boundary import boundary, boundary_areas


@pytest.fixture
def mask():
    image = np.zeros((120, 160), np.uint8)
    cv2.ellipse(image, (70, 50), (40, 25), 20, 0, 360, 1, -1)
    cv2.rectangle(image, (130, 80), (159, 119), 1, -1)
    image[45:48, 60:64] = 0
    return image > 0


@pytest.mark.parametrize('ratio', [0.001, 0.02, 0.05])
def test_it_is_what_erosion_takes(mask, ratio):
    steps = max(1, round(ratio * 200))  # of the diagonal
    eroded = binary_erosion(mask, np.ones((3, 3)), steps)
    assert np.array_equal(boundary(mask, ratio), mask & ~eroded)


def test_of_the_same_mask_and_of_none(mask):
    both, either = boundary_areas(mask, mask)
    assert both == either > 0
    assert boundary_areas(mask, np.zeros_like(mask))[0] == 0
    assert boundary_areas(~mask & False, mask & False) == (0, 0)


def test_a_shift_hurts_more_than_inside_the_mask(mask):
    shifted = np.roll(mask, 3, axis=1)
    both, either = boundary_areas(shifted, mask, 0.01)
    assert both / either < 0.6 < (shifted & mask).sum() / (shifted | mask).sum()
