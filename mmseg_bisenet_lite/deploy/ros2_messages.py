"""Frames and masks as messages of ROS 2. The classes of the messages are arguments, so this needs no ROS 2."""

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require

# Encoding -> number of channels, and where blue, green and red are.
_CHANNELS = {
    'bgr8': (3, [0, 1, 2]),
    'rgb8': (3, [2, 1, 0]),
    'bgra8': (4, [0, 1, 2]),
    'rgba8': (4, [2, 1, 0]),
    'mono8': (1, [0, 0, 0]),
}


def frame_of(message: Any) -> np.ndarray:
    """Return the frame, (height, width, 3), uint8 BGR, of a ``sensor_msgs/Image``; grey becomes three equal colours.

    Raises:
        InputError: The encoding is another than those above, or the data are incomplete.
    """
    if message.encoding not in _CHANNELS:
        raise InputError(f'encoding {message.encoding} is not supported; publish images as {", ".join(_CHANNELS)}')
    count, order = _CHANNELS[message.encoding]
    if len(message.data) != message.height * message.step or message.step < count * message.width:
        raise InputError(f'an image of {message.width}x{message.height} with {len(message.data)} bytes of data is incomplete')
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)  # rows may be padded
    pixels = rows[:, : count * message.width].reshape(message.height, message.width, count)
    return pixels if message.encoding == 'bgr8' else pixels[..., order]


def stamp_of(message: Any) -> float | None:
    """Return the time of a message's header in seconds; ``None`` if its publisher did not set it."""
    stamp = message.header.stamp
    return stamp.sec + 1e-9 * stamp.nanosec or None


def image_of(values: np.ndarray, header: Any, image: Callable[..., Any]) -> Any:
    """Return a ``sensor_msgs/Image``: ``mono8`` of uint8, ``32FC1`` of float32; (height, width)."""
    encoding = {'uint8': 'mono8', 'float32': '32FC1'}[values.dtype.name]
    height, width = values.shape
    data = array('B', values.tobytes())  # ROS 2 would look at each of the bytes of another type
    return image(header=header, height=height, width=width, encoding=encoding, step=width * values.itemsize, data=data)


def outlines_of(mask: np.ndarray, header: Any, marker: Callable[..., Any], point: Callable[..., Any]) -> Any:
    """Return the outlines of the foreground, with those of holes, as one ``visualization_msgs/ImageMarker``.

    Args:
        mask: (height, width), uint8; 1 is foreground.
        header: Header of the image.
        marker: The class ``visualization_msgs.msg.ImageMarker``.
        point: The class ``geometry_msgs.msg.Point``.

    Returns:
        A ``LINE_LIST`` in pixels, x to the right and y down: two points a line. The lines of an outline follow one another, and
        its last one ends where its first one starts.
    """
    cv2 = require('cv2', 'opencv-python-headless')
    outlines = cv2.findContours((mask == 1).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]
    points = []
    for outline in outlines:
        corners = outline[:, 0].astype(float)
        lines = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1).reshape(-1, 2)
        points += [point(x=x, y=y, z=0.0) for x, y in lines.tolist()]
    return marker(header=header, ns='foreground', type=marker.LINE_LIST, scale=1.0, points=points)  # type: ignore[attr-defined]
