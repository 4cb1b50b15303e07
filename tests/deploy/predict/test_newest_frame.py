"""A camera that is faster than what takes its frames."""

import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from mmseg_bisenet_lite.deploy.predict.newest_frame import NewestFrame, take
from mmseg_bisenet_lite.utils.errors import InputError


def brightness(frame):
    return int(frame.pixels[0, 0, 0])


def test_the_newest_frame_is_handed_over_and_older_ones_are_skipped(make_camera, eventually, readers):
    camera = make_camera()
    with NewestFrame(camera) as newest:
        taken = iter(newest)
        for sent in ([1], [2, 3, 4], [5], [6, 7]):
            camera.send(*sent)
            eventually(lambda: newest._slot is not None and brightness(newest._slot) == sent[-1])  # noqa: B023
            frame = next(taken)
            assert brightness(frame) == sent[-1]
            assert frame.number == sent[-1] - 1
        assert newest.skipped == 3
        camera.send(8, make_camera.END)
        assert [brightness(frame) for frame in taken] == [8]  # the last one is not lost
        assert newest.ended
        assert newest.error is None
    assert newest.skipped == 3
    eventually(lambda: not readers())


def test_a_frame_that_nobody_took_counts_as_skipped(make_camera, eventually):
    camera = make_camera()
    with NewestFrame(camera) as newest:
        camera.send(1, 2)
        eventually(lambda: newest.skipped == 1)
    assert newest.skipped == 2


def test_an_error_of_the_source_comes_after_its_last_frame(make_camera):
    camera = make_camera()
    camera.send(1, ZeroDivisionError('a defect'))
    with NewestFrame(camera) as newest:
        frames = iter(newest)
        assert brightness(next(frames)) == 1
        with pytest.raises(ZeroDivisionError, match='a defect'):
            next(frames)


def test_a_camera_comes_back(make_camera):
    camera, lines, seen = make_camera(), [], []
    camera.send(1)
    with NewestFrame(camera, delays=(0.001, 0.01), tell=lines.append) as newest:
        for frame in newest:
            seen.append((frame.number, frame.name))
            if len(seen) == 1:
                camera.send(make_camera.BREAK, make_camera.BREAK, 2)
            else:
                camera.send(make_camera.END)
    assert seen == [(0, 'cam/000000'), (1, 'cam/000001')]
    assert newest.reconnects == 1
    assert len(lines) == 3


def test_closing_does_not_wait_for_the_next_attempt(make_camera, eventually, readers):
    camera, lines = make_camera(), []
    camera.send(1, make_camera.BREAK)
    with NewestFrame(camera, delays=(600, 600), reconnect_for=6000, tell=lines.append):
        eventually(lambda: lines)
    assert not readers()


def test_neither_an_error_nor_a_read_that_blocks_holds_up_the_end(make_camera, eventually, readers):
    camera = make_camera()
    camera.send(1)

    def consume():
        with NewestFrame(camera) as newest:
            for _ in newest:
                raise ZeroDivisionError

    start = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        consume()
    assert time.monotonic() - start < 10
    assert camera.opened == 1
    camera.send(2)  # the read returns
    eventually(lambda: not readers())
    assert camera.closed == 1  # in the thread that opened it


@pytest.mark.slow
def test_a_program_ends_although_a_read_blocks():
    program = """
        import sys, time
        from mmseg_bisenet_lite.deploy.predict.newest_frame import NewestFrame
        class Camera:
            label, live = 'cam', True
            def __iter__(self):
                time.sleep(600)
                yield
        try:
            with NewestFrame(Camera()) as newest:
                print('reads', flush=True)
                for frame in newest: pass
        except KeyboardInterrupt:
            sys.exit(7)
    """
    process = subprocess.Popen([sys.executable, '-c', textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    try:
        assert 'reads\n' in iter(process.stdout.readline, '')  # onedl prints a line before
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 7
    finally:
        process.kill()
        process.communicate()


def test_max_fps_bounds_the_rate(make_camera):
    camera = make_camera()
    for number in range(200):
        camera.send(number)
    feeder = threading.Thread(target=lambda: (time.sleep(0.3), camera.send(make_camera.END)))
    start = time.monotonic()
    with NewestFrame(camera, max_fps=20) as newest:
        feeder.start()
        seen = []
        for frame in newest:
            seen.append(brightness(frame))
            camera.send(0, 0)
        seconds = time.monotonic() - start
    feeder.join()
    assert len(seen) <= 20 * seconds + 2  # the first one at once
    assert newest.skipped > 0


def test_max_fps_keeps_the_rate_of_a_camera_that_is_a_little_faster(make_camera, monkeypatch):
    newest = NewestFrame(make_camera(), max_fps=10)
    clock, handed = 0.0, []
    for tick in range(1, 400):
        clock = tick * 0.03  # a frame every 30 ms
        if newest._due <= clock:
            newest._hand_over(clock)
            handed.append(clock)
    assert len(handed) == pytest.approx(400 * 0.03 * 10, abs=2)  # and not one in four: a frame every 120 ms


@pytest.mark.parametrize('wrong', [dict(max_fps=0), dict(max_fps=-1), dict(max_fps=float('nan')), dict(reconnect_for=-1)])
def test_numbers_out_of_range(make_camera, wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(InputError, match=f'^{name}={value}: give a number'):
        NewestFrame(make_camera(), **wrong)


def test_frames_of_one_size_are_taken_together_the_longest_unserved_first(make_camera, eventually):
    changed = threading.Condition()
    sizes = dict(a=(4, 3), b=(4, 3), c=(8, 6))
    cameras = {name: make_camera(name, size) for name, size in sizes.items()}
    captures = [NewestFrame(camera, changed=changed) for camera in cameras.values()]
    for capture in captures:
        capture.__enter__()

    def send(**brightnesses):
        for name, value in brightnesses.items():
            cameras[name].send(value)
        eventually(lambda: all(c._slot is not None or c.source.label not in brightnesses for c in captures))

    def taken(most=None):
        return [(capture.source.label, brightness(frame)) for capture, frame in take(captures, most)]

    send(a=1, b=2, c=3)
    assert taken() == [('a', 1), ('b', 2)]
    cameras['c'].send(4)
    eventually(lambda: captures[2].skipped == 1)  # what waits stays fresh
    send(a=5)
    assert taken() == [('c', 4)]
    send(b=6)
    assert taken(most=1) == [('a', 5)]
    assert taken(most=1) == [('b', 6)]
    for capture in captures:
        cameras[capture.source.label].send(make_camera.END)
    assert taken() == []
    for capture in captures:
        capture.close()
