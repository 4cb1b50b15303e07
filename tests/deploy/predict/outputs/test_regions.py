import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmseg_bisenet_lite.deploy.predict.outputs.regions import regions


def decoded(segmentation):
    """Decode run lengths pixel by pixel, as COCO's page says."""
    height, width = segmentation['size']
    pixels, value = [], False
    for count in segmentation['counts']:
        pixels += [value] * count
        value = not value
    return np.array(pixels).reshape(width, height).T


@settings(max_examples=150)
@given(mask=arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_the_regions_are_the_mask_and_apart(mask):
    found = [decoded(region['segmentation']) for region in regions(mask)]
    assert np.array_equal(sum(found, start=np.zeros(mask.shape, int)), mask)
    for region, pixels in zip(regions(mask), found, strict=True):
        rows, columns = np.nonzero(pixels)
        left, top = columns.min(), rows.min()
        assert region['bbox'] == [left, top, columns.max() - left + 1, rows.max() - top + 1]
        assert region['area'] == pixels.sum()


def test_regions_are_ordered_by_area_and_keep_their_holes():
    mask = np.zeros((20, 30), bool)
    mask[1:3, 1:3] = True
    mask[5:15, 5:25] = True
    mask[8:10, 10:12] = False  # a hole
    found = regions(mask)
    assert [region['area'] for region in found] == [196, 4]
    assert not decoded(found[0]['segmentation'])[9, 11]


def test_pixels_that_touch_at_a_corner_are_one_region():
    assert [region['area'] for region in regions(np.eye(4, dtype=bool))] == [4]


@pytest.mark.parametrize('value', [False, True])
def test_a_mask_of_one_value(value):
    found = regions(np.full((3, 4), value))
    assert [region['segmentation']['counts'] for region in found] == ([[0, 12]] if value else [])


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # of pycocotools, beside numpy 2
def test_pycocotools_decodes_the_same():
    mask_tools = pytest.importorskip('pycocotools.mask', reason='pycocotools, of the extra test, is not installed')
    mask = np.random.default_rng(0).random((90, 120)) > 0.6
    for region in regions(mask):
        compressed = mask_tools.frPyObjects(region['segmentation'], *mask.shape)
        assert np.array_equal(mask_tools.decode(compressed).astype(bool), decoded(region['segmentation']))
        assert mask_tools.area(compressed) == region['area']
        assert mask_tools.toBbox(compressed).tolist() == region['bbox']
