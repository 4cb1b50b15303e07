"""Capture: open a video, a stream or a camera with OpenCV so that live frames are fresh and a dead stream is noticed."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mmseg_bisenet_lite.utils.library import require

NETWORK_SECONDS = 10.0  # a stream that sends nothing for so long is broken; OpenCV waits 30 s


def open_capture(text: str) -> Any:
    """Return a ``cv2.VideoCapture``, which may not be open.

    A camera's driver keeps one frame instead of about four, where the backend takes that (V4L2 does, FFmpeg does not). A stream
    that does not answer, or stops sending, fails after :data:`NETWORK_SECONDS`.

    Args:
        text: Number of a camera; or path, URL or pipeline of GStreamer.

    Raises:
        cv2.error: OpenCV cannot open it.
    """
    cv2 = require('cv2', 'opencv-python-headless')
    if text.isdecimal():
        capture = cv2.VideoCapture(int(text))
    elif '://' in text:
        opening = round(1000 * NETWORK_SECONDS)
        reading = opening // 3 if text.startswith('rtsp') else opening  # FFmpeg waits three times for the next packet of RTSP
        options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, opening, cv2.CAP_PROP_READ_TIMEOUT_MSEC, reading]
        capture = cv2.VideoCapture(text, cv2.CAP_ANY, options)
    else:
        capture = cv2.VideoCapture(text)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def next_frame(capture: Any, wanted: Callable[[], bool] = lambda: True) -> tuple[float, np.ndarray | None] | None:
    """Return when the next frame was handed over, and the frame; ``None`` if there is none or it is damaged.

    The time, in seconds of ``time.monotonic()``, is taken before the frame is converted to BGR. A frame that is not wanted by
    then is ``None`` and not converted; FFmpeg has decoded it by then, V4L2 has not.
    """
    grabbed = capture.grab()
    captured = time.monotonic()
    if not grabbed:
        return None
    if not wanted():
        return captured, None
    read, pixels = capture.retrieve()
    return (captured, pixels) if read else None
