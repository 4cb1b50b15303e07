"""Videos that browsers play."""

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.demo.web_video import WebVideo, size_in_browser


def test_it_is_webm_with_vp8_in_the_rate_and_colours_that_were_given(tmp_path):
    colours = ((200, 30, 30), (30, 200, 30), (30, 30, 200))
    with WebVideo(tmp_path / 'a.webm', 12.5) as video:
        for colour in colours:
            video.write(np.full((48, 64, 3), colour, np.uint8))
    assert (tmp_path / 'a.webm').read_bytes()[:64].find(b'webm') > 0
    capture = cv2.VideoCapture(str(tmp_path / 'a.webm'))
    assert int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little') == b'VP80'
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(12.5)
    for colour in colours:
        read, frame = capture.read()
        assert read
        assert frame.shape == (48, 64, 3)
        assert np.abs(frame.mean(axis=(0, 1)) - colour).max() < 12
    assert not capture.read()[0]


@pytest.mark.parametrize(
    ('size', 'shown'),
    [((64, 48), (64, 48)), ((65, 49), (64, 48)), ((1, 1), (16, 16)), ((1920, 1080), (960, 540)), ((20, 5000), (16, 960))],
)
def test_the_size_is_even_and_bounded(size, shown, tmp_path):
    assert size_in_browser(size) == shown
    with WebVideo(tmp_path / 'a.webm', 10) as video:
        video.write(np.zeros((size[1], size[0], 3), np.uint8))
    capture = cv2.VideoCapture(str(tmp_path / 'a.webm'))
    assert capture.read()[1].shape[1::-1] == shown
