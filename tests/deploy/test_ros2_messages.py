"""Messages, without ROS 2."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import ros2_messages
from mmseg_bisenet_lite.utils.errors import InputError

RNG = np.random.default_rng(0)
FRAME = RNG.integers(0, 256, (4, 6, 3), np.uint8)
ALPHA = RNG.integers(0, 256, (4, 6, 1), np.uint8)


def image(pixels, encoding, padding=0):
    rows = pixels.reshape(pixels.shape[0], -1)
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=99).tobytes()
    return SimpleNamespace(
        height=pixels.shape[0], width=pixels.shape[1], step=rows.shape[1] + padding, encoding=encoding, data=data
    )


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    ('encoding', 'pixels'),
    [
        ('bgr8', FRAME),
        ('rgb8', cv2.cvtColor(FRAME, cv2.COLOR_BGR2RGB)),
        ('bgra8', np.dstack([FRAME, ALPHA])),
        ('rgba8', np.dstack([cv2.cvtColor(FRAME, cv2.COLOR_BGR2RGB), ALPHA])),
    ],
)
def test_frames_of_messages(encoding, pixels, padding):
    message = image(pixels, encoding, padding)
    assert np.array_equal(ros2_messages.frame_of(message), FRAME)
    message.data = message.data[:-1]
    with pytest.raises(InputError, match='is incomplete'):
        ros2_messages.frame_of(message)


def test_grey_becomes_three_equal_colours():
    frame = ros2_messages.frame_of(image(ALPHA, 'mono8', padding=2))
    assert np.array_equal(frame, cv2.cvtColor(ALPHA, cv2.COLOR_GRAY2BGR))


def test_other_encodings_are_refused():
    with pytest.raises(InputError, match='encoding yuv422 is not supported; publish images as bgr8, rgb8, bgra8, rgba8, mono8'):
        ros2_messages.frame_of(image(FRAME, 'yuv422'))


@pytest.mark.parametrize(
    ('values', 'encoding', 'step'),
    [(RNG.integers(0, 2, (4, 6), np.uint8), 'mono8', 6), (RNG.random((4, 6), np.float32), '32FC1', 24)],
)
def test_masks_and_probabilities_become_images(values, encoding, step):
    message = ros2_messages.image_of(values, 'header', SimpleNamespace)
    assert (message.header, message.encoding, message.height, message.width) == ('header', encoding, 4, 6)
    assert message.step == step
    assert np.array_equal(np.frombuffer(message.data, values.dtype).reshape(4, 6), values)


def test_a_stamp_that_was_not_set_is_no_time():
    def stamped(sec, nanosec):
        return SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec)))

    assert ros2_messages.stamp_of(stamped(3, 500_000_000)) == 3.5
    assert ros2_messages.stamp_of(stamped(0, 0)) is None


def test_outlines_enclose_the_foreground():
    """Drawn and filled from its lines, the mask is the same again: a square with a hole, a single pixel; 255 is undecided."""
    mask = np.zeros((40, 60), np.uint8)
    mask[5:25, 10:40] = 1
    mask[10:15, 20:30] = 0
    mask[30, 50] = 1
    mask[33:36, 3:9] = 255
    marker = type('ImageMarker', (SimpleNamespace,), dict(LINE_LIST=2))
    message = ros2_messages.outlines_of(mask, 'header', marker, lambda x, y, z: (x, y))
    assert (message.header, message.type, message.ns) == ('header', 2, 'foreground')
    lines = np.int32(message.points).reshape(-1, 2, 2)
    outlines, first = [], 0
    for last, (_, end) in enumerate(lines):
        if np.array_equal(end, lines[first, 0]):
            outlines.append(np.ascontiguousarray(lines[first : last + 1, 0]))
            first = last + 1
    assert first == len(lines)
    assert len(outlines) == 3
    drawn = np.zeros_like(mask)
    cv2.drawContours(drawn, outlines, -1, 1, cv2.FILLED)
    assert np.array_equal(drawn, mask == 1)
    assert ros2_messages.outlines_of(np.zeros_like(mask), 'header', marker, None).points == []
