"""Streams over HTTP from this process, read by OpenCV."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.predict import capture
from mmseg_bisenet_lite.deploy.predict.capture import next_frame, open_capture

PART = b'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n'


@pytest.fixture
def stream():
    """Address of a stream of three frames, after which the server is silent."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
            self.end_headers()
            for brightness in (50, 100, 150):
                image = cv2.imencode('.jpg', np.full((48, 64, 3), brightness, np.uint8))[1].tobytes()
                self.wfile.write(PART % (len(image), image))
            over.wait(60)

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/'
    over.set()
    server.shutdown()
    server.server_close()


def test_a_stream_that_falls_silent_ends(stream, monkeypatch):
    monkeypatch.setattr(capture, 'NETWORK_SECONDS', 2.0)  # for the first frames too
    video = open_capture(stream)
    frames, start = [], time.monotonic()
    while (pair := next_frame(video)) is not None:
        frames.append(pair)
    assert time.monotonic() - start < 10  # OpenCV by itself waits for 30 s
    video.release()
    assert [round(float(pixels.mean()), -1) for _, pixels in frames] == [50, 100, 150]
    times = [captured for captured, _ in frames]
    assert start < times[0]
    assert times == sorted(times)


def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(capture, 'NETWORK_SECONDS', 0.2)
    with socket.create_server(('127.0.0.1', 0)) as silent:
        start = time.monotonic()
        assert not open_capture(f'http://127.0.0.1:{silent.getsockname()[1]}/').isOpened()
        assert time.monotonic() - start < 10


def test_the_driver_is_asked_for_one_frame_and_the_time_is_that_of_the_grab(monkeypatch):
    asked, clock = [], [100.0]

    class Camera:
        def __init__(self, *arguments):
            asked.append(arguments)

        def set(self, *setting):
            asked.append(setting)

        def grab(self):
            clock[0] += 1
            return True

        def retrieve(self):
            clock[0] += 5
            return clock[0] < 110, 'pixels'

    monkeypatch.setattr(cv2, 'VideoCapture', Camera)
    monkeypatch.setattr(capture.time, 'monotonic', lambda: clock[0])
    camera = open_capture('0')
    assert asked == [(0,), (cv2.CAP_PROP_BUFFERSIZE, 1)]
    assert next_frame(camera) == (101, 'pixels')
    assert next_frame(camera) is None  # it could not be decoded
