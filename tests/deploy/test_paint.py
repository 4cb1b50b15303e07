import numpy as np

from mmseg_bisenet_lite.deploy import paint


def test_only_the_foreground_is_tinted_in_its_colour():
    frame = np.full((2, 3, 3), 100, np.uint8)
    mask = np.array([[0, 1, 0], [0, 0, 1]], np.uint8)
    painted = paint(frame, mask, ((9, 9, 9), (200, 0, 0)), opacity=0.5)
    assert painted[0, 1].tolist() == [50, 50, 150]  # BGR
    assert (painted[mask == 0] == 100).all()
    assert (frame == 100).all()
    assert (paint(frame, mask, ((9, 9, 9), (200, 0, 0)), opacity=1)[1, 2] == [0, 0, 200]).all()


def test_undecided_pixels_are_hatched():
    frame = np.full((64, 64, 3), 100, np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 255
    painted = paint(frame, mask, ((9, 9, 9), (200, 0, 0)))
    assert (painted[:, :32] == 100).all()
    tinted = (painted[:, 32:] == (50, 50, 150)).all(-1)
    assert tinted.mean() == 0.5
    assert (painted[:, 32:][~tinted] == 100).all()
