"""The Segmenter around a runtime that is a formula: a pixel is foreground if its blue is above 127."""

import threading
import time
import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_bisenet_lite.deploy import Calibration, InputError, OperatingPoints, Segmenter, segmenter

RNG = np.random.default_rng(0)


class Formula:
    name, precision = 'formula', 'fp32'

    def __init__(self, metadata):
        self.metadata = metadata
        self.runs = []

    def __call__(self, frames):
        assert frames.flags.c_contiguous
        assert self.metadata.batch in (None, len(frames))
        self.runs.append(len(frames))
        margin = frames[..., 0].astype(np.float32) - 127.5
        return [(margin > 0).astype(np.uint8), margin][: 1 + self.metadata.margin]


@pytest.fixture
def make(monkeypatch, metadata):
    def make(resize=False, wanted=None, **changes):
        runtime = Formula(replace(metadata, **{'size': None, 'batch': 1, **changes}))
        monkeypatch.setattr(segmenter, 'load_runtime', lambda *_: runtime)
        return Segmenter('a.onnx', resize=resize, threshold=wanted)

    return make


def frames(*shape):
    return RNG.integers(0, 256, (*shape, 3), np.uint8)


def test_a_frame_gives_a_mask_and_a_batch_gives_masks(make):
    segment, batch = make(), frames(3, 4, 5)
    assert np.array_equal(segment(batch[0]), batch[0, ..., 0] > 127)
    assert segment(batch[0]).dtype == np.uint8
    assert np.array_equal(segment(batch), batch[..., 0] > 127)
    assert segment.latency.calls == 3
    assert (segment.runtime, segment.precision) == ('formula', 'fp32')


@settings(max_examples=30)
@given(count=st.integers(1, 9), size=st.sampled_from([None, 1, 2, 4]))
def test_any_number_of_frames_fits_any_batch(metadata, count, size):
    runtime = Formula(replace(metadata, size=None, batch=size, margin=True))
    segment = object.__new__(Segmenter)
    segment._runtime, segment.resize, segment.latency = runtime, False, segmenter.Latency()
    batch = frames(count, 2, 3)
    mask, margin = segment.with_margin(batch)
    assert np.array_equal(mask, batch[..., 0] > 127)
    assert np.array_equal(margin, batch[..., 0] - 127.5)
    assert sum(runtime.runs) - count < (size or 1)  # filled up, but no more


@pytest.mark.parametrize(
    ('wanted', 'expected'), [(40.0, 40), ('best', 60), ('recall=0.9', -20), ('precision=0.9', 80), (None, 10)]
)
def test_another_threshold_shifts_mask_and_margin(make, wanted, expected):
    """The formula's margin is the network's minus the file's threshold, 10."""
    points = OperatingPoints((-20.0, 80.0), (0.5, 0.9), (0.95, 0.7))
    found = dict(best_threshold=60.0, operating_points=points, calibration=Calibration(50.0, 0.5))
    segment, frame = make(wanted=wanted, margin=True, threshold=10.0, **found), frames(4, 5)
    mask, margin = segment.with_margin(frame)
    raw = frame[..., 0] - 127.5 + 10
    assert segment.metadata.threshold == expected
    assert np.array_equal(margin, raw - expected)
    assert np.array_equal(mask, raw > expected)
    assert np.array_equal(segment(frame), mask)
    assert mask.dtype == np.uint8
    assert margin.dtype == np.float32
    np.testing.assert_allclose(segment.metadata.probability(margin), Calibration(50.0, 0.5).probability(raw), rtol=0, atol=1e-6)


def test_a_threshold_that_a_file_does_not_have_is_named(make):
    with pytest.raises(InputError, match=r'^a\.onnx: was exported without the margin, .* or with --threshold best$'):
        make(wanted='best')
    for wanted in ('best', 'recall=0.9'):
        with pytest.raises(InputError, match=rf"^a\.onnx: holds no threshold for '?{wanted}'?; export it again, from best_"):
            make(wanted=wanted, margin=True)


def test_outputs_of_another_shape_are_refused(make, monkeypatch):
    monkeypatch.setattr(Formula, '__call__', lambda self, frames: [frames[:, :2, :, 0]])
    with pytest.raises(InputError, match=r'the file gave \(1, 2, 5\) for frames of \(1, 4, 5, 3\)'):
        make()(frames(4, 5))


def test_views_and_other_strides_are_taken(make):
    batch = frames(4, 5)
    assert np.array_equal(make()(batch[::-1, ::2]), batch[::-1, ::2, 0] > 127)
    one = np.broadcast_to(batch[0, 0], (3, 4, 5, 3))
    assert np.array_equal(make()(one), one[..., 0] > 127)
    for view in (frames(8, 10)[::-1, ::-1, ::-1], frames(10, 8).transpose(1, 0, 2), np.asfortranarray(frames(8, 10))):
        copy = np.ascontiguousarray(view)
        assert np.array_equal(make(size=(5, 4), resize=True)(view), make(size=(5, 4), resize=True)(copy))


def test_other_sizes_are_an_error_unless_they_are_resized(make):
    frame = np.zeros((20, 40, 3), np.uint8)
    frame[4:16, 10:30] = 255
    with pytest.raises(InputError, match=r'a frame of 40x20, but the file was exported for 20x10: set resize=True'):
        make(size=(20, 10))(frame)
    segment = make(size=(20, 10), margin=True, resize=True)
    mask, margin = segment.with_margin(frame)
    assert np.array_equal(mask, frame[..., 0] > 127)
    assert margin.shape == (20, 40)
    small = cv2.resize(frame, (20, 10), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(segment(small[None])[0], small[..., 0] > 127)


def test_frames_of_another_shape_keep_their_proportions_and_it_is_said_once(make):
    segment = make(size=(40, 20), batch=2, margin=True, resize=True)
    ys, xs = np.mgrid[:60, :30]
    disc = ((xs - 15) ** 2 + (ys - 30) ** 2 < 10**2).astype(np.uint8)
    portraits = np.repeat(np.stack([disc, 1 - disc, disc])[..., None] * np.uint8(255), 3, axis=3)
    message = 'a frame of 30x60 lies letterboxed, as 10x20, in the file for 40x20: its proportions are kept'
    with pytest.warns(UserWarning, match=message):
        masks, margins = segment.with_margin(portraits)
    assert masks.shape == margins.shape == (3, 60, 30)
    for mask, frame in zip(masks, portraits, strict=True):
        assert (mask == (frame[..., 0] > 127)).mean() > 0.95
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert np.array_equal(segment(portraits[0]), masks[0])
        make(size=(40, 20), resize=True)(frames(10, 20))  # of the file's shape


def test_a_batch_runs_in_parts_of_limited_memory(make, monkeypatch):
    monkeypatch.setattr(segmenter, 'MOST_PIXELS_IN_A_RUN', 60)
    segment, batch = make(batch=None), frames(7, 4, 5)
    assert np.array_equal(segment(batch), batch[..., 0] > 127)
    assert segment._runtime.runs == [3, 3, 1]
    boxed = make(batch=None, size=(5, 4), resize=True)
    assert boxed(frames(4, 8, 10)).shape == (4, 8, 10)
    assert boxed._runtime.runs == [3, 1]


@pytest.mark.parametrize('resize', [False, True])
def test_more_than_the_memory_holds_is_refused(make, resize):
    segment = make(batch=None, resize=resize)
    whole = np.broadcast_to(np.zeros(3, np.uint8), (10**5, 10**5, 3))  # 30 GB if it were copied
    for call in (segment, lambda frame: list(segment.stream([frame]))):
        with pytest.raises(InputError, match=r'too much memory: one call takes up to 1,073,741,824 pixels'):
            call(whole)
    with pytest.raises(InputError, match=r'a frame of 10000x10000 needs too much memory: .* up to 33,554,432 pixels'):
        segment(whole[:10000, :10000])
    with pytest.raises(InputError, match='too much memory'):
        segment(np.broadcast_to(np.zeros(3, np.uint8), (10**9, 4, 5, 3)))


def test_a_runtime_without_memory_is_one_line(make, monkeypatch):
    segment = make()

    def full(self, batch):
        raise MemoryError('Unable to allocate 30 GiB')

    monkeypatch.setattr(Formula, '__call__', full)
    with pytest.raises(InputError, match=r'the file cannot run on 1 frame\(s\) of 5x4: Unable to allocate'):
        segment(frames(4, 5))


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (np.zeros((4, 5, 3)), r'not \(4, 5, 3\) float64'),
        (np.zeros((4, 5), np.uint8), r'not \(4, 5\) uint8'),
        (np.zeros((3, 4, 5), np.uint8), r'not \(3, 4, 5\) uint8'),
        (np.zeros((4, 5, 4), np.uint8), r'not \(4, 5, 4\) uint8'),
        ([[1, 2, 3]], 'not list'),
        (np.zeros((0, 5, 3), np.uint8), r'frames of shape \(0, 5, 3\) have no pixels'),
        (np.zeros((0, 4, 5, 3), np.uint8), r'frames of shape \(0, 4, 5, 3\) have no pixels'),
    ],
)
def test_what_is_no_frame_is_refused(make, wrong, message):
    with pytest.raises(InputError, match=message):
        make()(wrong)


def test_a_margin_that_is_not_in_the_file_is_refused(make):
    with pytest.raises(InputError, match='export it with --margin'):
        make().with_margin(frames(4, 5))


@pytest.mark.parametrize('ahead', [1, 2, 5])
@pytest.mark.parametrize('count', [0, 1, 7])
def test_a_stream_keeps_its_order(make, ahead, count):
    given_frames = [frames(4, 5) for _ in range(count)]
    masks = list(make().stream(iter(given_frames), ahead))
    assert len(masks) == count
    assert all(np.array_equal(mask, frame[..., 0] > 127) for mask, frame in zip(masks, given_frames, strict=True))


def test_a_stream_fetches_frames_while_others_run(make):
    segment = make()
    fetched = threading.Event()
    run = segment._runtime.__class__.__call__

    def waiting(self, batch):
        assert fetched.wait(10), 'the next frame was not fetched while this one ran'
        return run(self, batch)

    segment._runtime = type('Waiting', (Formula,), {'__call__': waiting})(segment.metadata)

    def source():
        yield frames(4, 5)
        yield frames(4, 5)
        fetched.set()

    assert len(list(segment.stream(source()))) == 2


def test_a_source_may_use_its_buffer_again(make):
    buffer = np.zeros((4, 5, 3), np.uint8)

    def source():
        for value in (255, 0, 255, 0):
            buffer[:] = value
            yield buffer

    assert [int(mask.mean()) for mask in make().stream(source())] == [1, 0, 1, 0]


def test_an_error_of_the_source_comes_after_the_masks_before_it(make):
    def source():
        yield from (frames(4, 5) for _ in range(4))
        raise OSError('the camera is gone')

    masks = []
    with pytest.raises(OSError, match='the camera is gone'):
        masks.extend(make().stream(source()))
    assert len(masks) == 4


def test_an_error_in_a_stream_comes_out_and_a_stream_may_be_left(make):
    with pytest.raises(InputError, match='frames must be a uint8 array'):
        list(make().stream([[1]]))
    with pytest.raises(InputError, match='ahead=0'):
        list(make().stream([], ahead=0))
    stream = make().stream(frames(4, 5) for _ in range(1000))
    next(stream)
    start = time.monotonic()
    stream.close()
    assert time.monotonic() - start < 5
    assert not any(thread.name.startswith('segmenter') for thread in threading.enumerate())
