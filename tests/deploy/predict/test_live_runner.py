"""Live runs with a network that is a formula: a pixel is foreground if its blue is above 127."""

import os
import queue
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Latency
from mmseg_bisenet_lite.deploy.predict.frames import Frame
from mmseg_bisenet_lite.deploy.predict.live_runner import LiveRun, run_live
from mmseg_bisenet_lite.deploy.predict.network import Network
from mmseg_bisenet_lite.utils.errors import InputError


class Formula:
    """What a Segmenter is for a live run; ``during`` is called with the number of frames of each call."""

    runtime, precision = 'formula', 'fp32'

    def __init__(self, metadata, batch=None, during=lambda count: None):
        self.metadata = replace(metadata, batch=batch, margin=True)
        self.latency = Latency()
        self.calls = []
        self.during = during

    def __call__(self, frames):
        return self.with_margin(frames)[0]

    def with_margin(self, frames):
        self.calls.append(frames.shape[:-3] or (1,))
        self.during(frames)
        margin = frames[..., 0].astype(np.float32) - 127.5
        return (margin > 0).astype(np.uint8), margin


def waiting(captures):
    """Whether each of the captures has a frame."""
    return all(capture._slot is not None for capture in captures)


def test_the_newest_frames_of_all_cameras_run_in_one_call_and_come_with_their_source(metadata, make_camera, eventually):
    cameras, segmenter = [make_camera('left'), make_camera('right')], Formula(metadata)
    run = LiveRun(Network(segmenter), cameras)
    results = iter(run)
    for camera, value in zip(cameras, (100, 200), strict=True):
        camera.send(value)
    changed = run._captures[0]._changed
    with changed:  # neither frame is seen before the other
        thread = threading.Thread(target=lambda: seen.extend([next(results), next(results)]))
        seen = []
        thread.start()
        eventually(lambda: all(camera.opened for camera in cameras))
    thread.join()
    for camera in cameras:
        camera.send(make_camera.END)
    assert list(results) == []
    assert {result.frame.name: int(result.mask.max()) for result in seen} == {'left/000000': 0, 'right/000000': 1}
    assert all(result.frame.source in cameras for result in seen)
    assert all(result.age >= result.seconds > 0 for result in seen)
    assert sum(count for (count,) in segmenter.calls) == 2
    assert [(report.label, report.age.calls, report.skipped) for report in run.report] == [('left', 1, 0), ('right', 1, 0)]


@pytest.mark.parametrize(
    ('of_file', 'batch', 'calls'),
    [
        (None, None, [(1,), (4,)]),
        (1, None, [(1,)] * 5),
        (3, None, [(1,), (3,), (1,)]),
        (None, 2, [(1,), (2,), (2,)]),
    ],
)
def test_as_many_cameras_run_in_a_call_as_the_file_takes(metadata, make_camera, eventually, of_file, batch, calls):
    """During the first call all cameras send, so that all four have a frame when it ends."""
    cameras = [make_camera(f'cam{number}') for number in range(4)]

    def during(frames):
        if len(segmenter.calls) == 1:
            for camera in cameras:
                camera.send(7)
            eventually(lambda: waiting(run._captures))
            for camera in cameras:
                camera.send(make_camera.END)

    segmenter = Formula(metadata, of_file, during)
    run = LiveRun(Network(segmenter), cameras, batch=batch)
    cameras[0].send(1)
    labels = [result.frame.source.label for result in run]
    assert segmenter.calls == calls
    assert labels == ['cam0', 'cam1', 'cam2', 'cam3', 'cam0']  # served longest ago first


def test_a_broken_camera_does_not_stop_the_others_and_is_an_error_at_the_end(metadata, make_camera, readers, eventually):
    good, bad, lines, seen = make_camera('good'), make_camera('bad'), [], []
    bad.send(InputError('bad: OpenCV cannot open it'))
    good.send(1)

    def write(result):
        seen.append(result.frame.name)
        eventually(lambda: len(readers()) == 1)
        good.send(*[5] if len(seen) < 3 else [make_camera.END])

    with pytest.raises(InputError, match=r'^bad: OpenCV cannot open it$'):
        run_live(Network(Formula(metadata)), [good, bad], write, tell=lines.append)
    assert seen == ['good/000000', 'good/000001', 'good/000002']
    assert lines[0] == 'bad: OpenCV cannot open it; the other sources go on'
    assert lines[1].startswith('good: age of 3 frames, median ')
    assert lines[1].endswith(' ms; 0 skipped; 0 reconnects')
    assert lines[2].startswith('bad: age of 0 frames')
    eventually(lambda: not readers())


def test_of_the_only_camera_it_is_not_said_that_others_go_on(metadata, make_camera, readers, eventually):
    camera, lines = make_camera(), []
    camera.send(1)

    def write(result):
        if result.frame.number == 0:
            camera.send(2, InputError('cam: is gone'))
            eventually(lambda: not readers())

    with pytest.raises(InputError, match=r'^cam: is gone$'):
        run_live(Network(Formula(metadata)), [camera], write, reconnect_for=0, tell=lines.append)
    assert [line.partition(',')[0] for line in lines] == ['cam: age of 2 frames']


@pytest.mark.parametrize('error', [KeyboardInterrupt, OSError])
def test_an_error_or_an_interrupt_ends_the_threads_and_the_report_is_told(metadata, make_camera, eventually, readers, error):
    camera, lines = make_camera(), []
    camera.send(1, 2)

    def write(result):
        raise error

    with pytest.raises(error):
        run_live(Network(Formula(metadata)), [camera], write, tell=lines.append)
    assert lines[0].startswith('cam: age of 1 frames')
    camera.send(make_camera.END)
    eventually(lambda: not readers())


def test_leaving_the_loop_closes_the_cameras(metadata, make_camera, eventually, readers):
    camera = make_camera()
    camera.send(1)
    run = LiveRun(Network(Formula(metadata)), [camera])
    for _ in run:
        break
    with pytest.raises(InputError, match='a run can be iterated over once'):
        list(run)
    camera.send(2)
    eventually(lambda: not readers())
    assert camera.closed == 1


@pytest.mark.parametrize(('wrong', 'line'), [(dict(batch=0), 'batch=0: give'), (dict(max_fps=0), 'max_fps=0: give')])
def test_numbers_out_of_range(metadata, make_camera, wrong, line):
    with pytest.raises(InputError, match=line):
        LiveRun(Network(Formula(metadata)), [make_camera()], **wrong)


def test_limit_ends_the_run(metadata, make_camera):
    camera, seen = make_camera(), []
    camera.send(1)

    def write(result):
        seen.append(result)
        camera.send(1)

    (report,) = run_live(Network(Formula(metadata)), [camera], write, limit=3, tell=lambda line: None)
    assert report.age.calls == len(seen) == 3
    assert report.age.median > 0


def test_a_long_run_tells_now_and_then_how_it_goes(metadata, make_camera, monkeypatch):
    monkeypatch.setattr('mmseg_bisenet_lite.deploy.predict.live_runner.INTERVAL', 0.0)
    camera, lines = make_camera(), []
    camera.send(1)
    run_live(Network(Formula(metadata)), [camera], lambda _: camera.send(1), limit=2, tell=lines.append)
    assert [line.partition(', median')[0] for line in lines] == [f'cam: age of {count} frames' for count in (1, 2, 2)]


def test_files_are_refused(metadata, make_camera):
    with pytest.raises(InputError, match=r'^clip: is neither a camera nor a stream'):
        run_live(Network(Formula(metadata)), [make_camera('clip', live=False)], None)


def test_each_camera_has_its_own_stabiliser_that_forgets_when_it_was_interrupted(metadata, make_camera, monkeypatch):
    made = []

    class Stabiliser:
        def __init__(self):
            self.history = []
            made.append(self)

        def __call__(self, margin, frame):
            self.history.append(int(frame[0, 0, 0]))
            return np.full(margin.shape, len(self.history), np.uint8), margin

        def reset(self):
            self.history.append('reset')

    monkeypatch.setattr('mmseg_bisenet_lite.deploy.predict.network.Stabiliser', Stabiliser)
    left, right = cameras = [make_camera('left'), make_camera('right')]
    left.send(10)
    order = iter([lambda: right.send(20), lambda: left.send(make_camera.BREAK, 11), lambda: right.send(21), None])

    def write(result):
        if following := next(order):
            following()
        else:
            left.send(make_camera.END)
            right.send(make_camera.END)

    network = Network(Formula(metadata), stabilise=True)
    reports = run_live(network, cameras, write, tell=lambda line: None)
    assert [stabiliser.history for stabiliser in made] == [[10, 'reset', 11], [20, 21]]
    assert [report.reconnects for report in reports] == [1, 0]


class Ticking:
    """A camera that hands over a frame every ``interval`` seconds, whether somebody waits for it or not."""

    label, live, moving, rate, count, files = 'ticking', True, True, None, None, ()

    def __init__(self, interval, seconds):
        self.interval, self.seconds, self.converted = interval, seconds, 0

    def __iter__(self):
        return self.skim(lambda: True)

    def skim(self, wanted):
        start = due = time.monotonic()
        number = 0
        while due < start + self.seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            if wanted():
                self.converted += 1
                yield Frame(np.zeros((2, 2, 3), np.uint8), self, f'ticking/{number:06d}', number, time.monotonic())
            else:
                yield None
            number, due = number + 1, due + self.interval


def in_order(camera, segmenter):
    """The plain loop: a queue, as that of a driver or a network, is read in order. Return the ages."""
    waiting, age = queue.Queue(), Latency(unit='frames')
    end = SimpleNamespace(captured=None)
    thread = threading.Thread(target=lambda: ([waiting.put(frame) for frame in camera], waiting.put(end)))
    thread.start()
    while (frame := waiting.get()) is not end:
        segmenter(frame.pixels)
        age.add(time.monotonic() - frame.captured)
    thread.join()
    return age


def ages(metadata, interval, inference, seconds):
    """Return the ages of the newest frames and of those of the plain loop, of two cameras that run at the same time."""
    segmenter = Formula(metadata, during=lambda frames: time.sleep(inference))
    plain = []
    thread = threading.Thread(target=lambda: plain.append(in_order(Ticking(interval, seconds), segmenter)))
    thread.start()
    (newest,) = run_live(Network(segmenter), [Ticking(interval, seconds)], None, tell=lambda line: None)
    thread.join()
    return newest, plain[0]


def test_the_age_stays_bounded_where_that_of_a_plain_loop_grows(metadata):
    interval, inference, seconds = 0.01, 0.03, 0.9
    if camera := os.environ.get('CAMERA'):  # frames a second, seconds of the inference, seconds: the table of the page
        rate, inference, seconds = map(float, camera.split(','))
        interval = 1 / rate
    newest, plain = ages(metadata, interval, inference, seconds)
    print(f'\nnewest frame: {newest}\nplain loop:   {plain}')
    assert newest.age.calls + newest.skipped == pytest.approx(plain.calls, abs=1)
    # The plain loop falls behind by two of three frames: by 0.6 s after 0.9 s of frames.
    assert plain.quantile(0.9) > 0.4
    assert newest.age.quantile(0.9) < plain.quantile(0.9)


@pytest.mark.parametrize(('pause', 'max_fps', 'most'), [(0.08, None, 0.7), (0.0, 10, 0.4), (0.0, None, 1.0)])
def test_frames_that_would_be_replaced_are_not_converted_and_count_as_skipped(metadata, pause, max_fps, most):
    camera = Ticking(0.01, 0.8)
    run = LiveRun(Network(Formula(metadata, during=lambda frames: time.sleep(pause))), [camera], max_fps=max_fps)
    list(run)
    (report,) = run.report
    read = report.age.calls + report.skipped
    assert read == pytest.approx(80, abs=1)
    assert report.age.calls <= camera.converted <= most * read
    if pause:  # the newest frame is there when the network is free
        assert report.age.calls > 2
