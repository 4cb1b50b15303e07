"""Fixtures: a camera whose frames a test sends one by one."""

import queue
import threading
import time

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.predict.frames import Failure, Frame

BREAK, END = OSError('the cable is out'), object()


class FakeCamera:
    """A source: a test sends its frames, by their brightness; ``BREAK`` breaks it, and ``END`` ends it."""

    moving, rate, count, files = True, None, None, ()

    def __init__(self, label='cam', size=(4, 3), live=True):
        self.label, self.live, self.size = label, live, size
        self.opened = self.closed = 0
        self._sent = queue.Queue()

    def send(self, *items):
        for item in items:
            self._sent.put(item)

    def name(self, number):
        return f'{self.label}/{number:06d}'

    def __iter__(self):
        self.opened += 1
        number = 0
        try:
            while (item := self._sent.get()) is not END:
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, Failure):
                    yield item
                else:
                    pixels = np.full((self.size[1], self.size[0], 3), item, np.uint8)
                    yield Frame(pixels, self, self.name(number), number, time.monotonic())
                number += 1
        finally:
            self.closed += 1


@pytest.fixture
def make_camera():
    """Make cameras; whatever reads them at the end of the test is released."""
    made = []

    def make(*args, **kwargs):
        made.append(FakeCamera(*args, **kwargs))
        return made[-1]

    make.BREAK, make.END = BREAK, END
    yield make
    for camera in made:
        camera.send(END)


@pytest.fixture
def eventually():
    """Wait until something is true."""

    def wait(condition, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, 'it did not become true'
            time.sleep(0.001)

    return wait


@pytest.fixture
def readers():
    """Return the threads that read cameras, except those of earlier tests."""
    before = set(threading.enumerate())
    return lambda: [
        thread for thread in threading.enumerate() if thread not in before and thread.name.startswith('newest frame of ')
    ]


@pytest.fixture
def no_thread_is_left():
    """Those of earlier tests may end, but none may be new."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
