"""A source that breaks, with a clock that the waits move on."""

import threading

import pytest

from mmseg_bisenet_lite.deploy.predict import reconnect
from mmseg_bisenet_lite.deploy.predict.frames import Failure
from mmseg_bisenet_lite.deploy.predict.reconnect import Reconnecting
from mmseg_bisenet_lite.utils.errors import InputError


class Waits(threading.Event):
    """An event that is never set; waiting for it takes no time but that of the clock."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.seconds = []
        monkeypatch.setattr(reconnect.time, 'monotonic', lambda: 1000 + sum(self.seconds))

    def wait(self, timeout=None):
        self.seconds.append(timeout)
        return self.is_set()


@pytest.fixture
def follow(monkeypatch):
    """Return a reader of a source, its lines and its waits."""

    def follow(source, seconds=60.0, delays=(0.5, 30.0)):
        lines = []
        return Reconnecting(source, seconds, delays, lines.append, Waits(monkeypatch)), lines

    return follow


def test_a_camera_that_breaks_is_opened_again_and_its_frames_are_numbered_on(make_camera, follow):
    camera = make_camera()
    camera.send(1, 2, make_camera.BREAK, 3, make_camera.BREAK, make_camera.BREAK, 4, make_camera.END)
    reader, lines = follow(camera)
    frames = list(reader)
    assert [frame.pixels[0, 0, 0] for frame in frames] == [1, 2, 3, 4]
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    assert [frame.name for frame in frames] == ['cam/000000', 'cam/000001', 'cam/000002', 'cam/000003']
    assert all(frame.source is camera for frame in frames)
    assert reader.reconnects == 2
    assert (camera.opened, camera.closed) == (4, 4)
    assert lines == [
        'cam: the cable is out; attempt 1 to open it again follows in 0.5 s',
        'cam: frames come again after 0.5 s, at attempt 1',
        'cam: the cable is out; attempt 1 to open it again follows in 0.5 s',
        'cam: the cable is out; attempt 2 to open it again follows in 1.0 s',
        'cam: frames come again after 1.5 s, at attempt 2',
    ]


def test_the_waits_double_to_a_bound_and_the_camera_is_given_up(make_camera, follow):
    camera = make_camera()
    camera.send(1, *[make_camera.BREAK] * 20)
    reader, lines = follow(camera, seconds=100.0)
    with pytest.raises(InputError, match=r'^cam: the cable is out; given up after 9 attempts in 100 s$'):
        list(reader)
    assert reader.stop.seconds == [0.5, 1, 2, 4, 8, 16, 30, 30, 8.5]
    assert len(lines) == 9


@pytest.mark.parametrize(('before', 'live', 'seconds'), [((), True, 60.0), ((1,), False, 60.0), ((1,), True, 0.0)])
def test_neither_a_first_failure_nor_a_file_is_tried_again(make_camera, follow, before, live, seconds):
    camera = make_camera(live=live)
    camera.send(*before, make_camera.BREAK)
    reader, lines = follow(camera, seconds)
    with pytest.raises(OSError, match='the cable is out'):
        list(reader)
    assert (camera.opened, lines) == (1, [])


def test_a_defect_of_the_source_is_not_taken_for_a_broken_cable(make_camera, follow):
    camera = make_camera()
    camera.send(1, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        list(follow(camera)[0])


def test_damaged_frames_are_told_and_counted(make_camera, follow):
    camera = make_camera()
    camera.send(1, Failure('cam/000001', InputError('cam: frame 1 is damaged')), make_camera.BREAK, 3, make_camera.END)
    reader, lines = follow(camera)
    assert [frame.number for frame in reader] == [0, 2]
    assert lines[0] == 'cam: frame 1 is damaged'


def test_closing_closes_the_source(make_camera, follow):
    camera = make_camera()
    camera.send(1)
    frames = iter(follow(camera)[0])
    next(frames)
    frames.close()
    assert camera.closed == 1
