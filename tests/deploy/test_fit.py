"""Frames of any shape in a file of one size."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_bisenet_lite.deploy.fit import Letterbox

SIDES = st.integers(1, 90)
SIZES = st.tuples(SIDES, SIDES)


def noise(size, channels=3):
    return np.random.default_rng(0).integers(0, 256, (*size[::-1], channels), np.uint8)


def disc(size, radius):
    ys, xs = np.mgrid[: size[1], : size[0]]
    return ((xs - (size[0] - 1) / 2) ** 2 + (ys - (size[1] - 1) / 2) ** 2 < radius**2).astype(np.uint8)


@settings(max_examples=200)
@given(frame=SIZES, size=SIZES)
def test_any_frame_lies_inside_any_size_and_its_mask_comes_back_in_its_own(frame, size):
    box = Letterbox(frame, size)
    put = box.put(noise(frame))
    assert put.shape == (*size[::-1], 3)
    rows, columns = box.region
    assert 0 <= rows.start < rows.stop <= size[1]
    assert 0 <= columns.start < columns.stop <= size[0]
    assert rows.stop - rows.start == size[1] or columns.stop - columns.start == size[0]  # as large as it fits
    assert abs(rows.start - (size[1] - rows.stop)) <= 1  # in the middle
    assert abs(columns.start - (size[0] - columns.stop)) <= 1
    mask = np.zeros(size[::-1], np.uint8)
    mask[box.region] = 1
    assert box.cut(mask).shape == frame[::-1]
    assert box.cut(mask).all()  # nothing from around the frame
    assert np.allclose(box.cut(mask.astype(np.float32)), 1)


@pytest.mark.parametrize('size', [(40, 30), (80, 60), (8, 6)])
def test_a_frame_of_the_same_shape_is_only_resized(size):
    frame = noise((40, 30))
    plain = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if size[0] < 40 else cv2.INTER_LINEAR)
    assert np.array_equal(Letterbox((40, 30), size).put(frame), plain)


@settings(max_examples=30)
@given(size=SIZES)
def test_a_frame_of_the_files_size_stays_as_it_is(size):
    box, frame = Letterbox(size, size), noise(size)
    assert np.array_equal(box.put(frame), frame)
    assert np.array_equal(box.cut(frame[..., 0]), frame[..., 0])


@pytest.mark.parametrize('size', [(60, 60), (100, 30), (200, 120), (37, 41), (16, 90)])
def test_a_disc_stays_a_disc(size):
    box, label = Letterbox((100, 60), size), disc((100, 60), 20)
    put, put_label = box.put(np.repeat(label[..., None] * 255, 3, axis=2)), box.put_label(label)
    scale = min(size[0] / 100, size[1] / 60)
    rows, columns = (np.flatnonzero((put_label == 1).any(axis)) for axis in (1, 0))
    assert np.ptp(rows) + 1 == pytest.approx(39 * scale, abs=1 + scale)
    assert np.ptp(columns) + 1 == pytest.approx(39 * scale, abs=1 + scale)
    inside = put_label != 255
    assert inside.sum() == box.inner[0] * box.inner[1]
    assert ((put[..., 0] > 127) == put_label)[inside].mean() > 0.96
    # A network that finds the disc in the file's size finds it where it was in the frame.
    back = box.cut((put_label == 1).astype(np.uint8))
    assert (back & label).sum() / (back | label).sum() > (0.9 if min(box.inner) > 20 else 0.6)


def test_the_margin_is_interpolated_and_the_mask_is_not():
    box = Letterbox((40, 40), (20, 10))
    margin = np.tile(np.linspace(-1, 1, 20, dtype=np.float32), (10, 1))
    assert len(np.unique(box.cut(margin))) > 20
    assert set(np.unique(box.cut((margin > 0).astype(np.uint8)))) == {0, 1}


def test_what_is_around_the_frame_has_its_colours_and_none_of_its_edges():
    frame = np.zeros((60, 60, 3), np.uint8)
    frame[:30] = 200
    put = Letterbox((60, 60), (120, 60)).put(frame)
    left = put[:, :30].astype(int)
    assert left[:10].mean() > 180
    assert left[-10:].mean() < 20
    assert np.abs(np.diff(left, axis=0)).max() < 80 < np.abs(np.diff(put[:, 60].astype(int), axis=0)).max()


def test_both_sizes_are_named():
    assert str(Letterbox((480, 360), (640, 360))) == (
        'a frame of 480x360 lies letterboxed, as 480x360, in the file for 640x360: its proportions are kept'
    )
