"""The pipeline, with stand-ins for the sources, the network and the writer."""

import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.latency import Latency
from mmseg_bisenet_lite.deploy.predict.frames import Failure, Frame
from mmseg_bisenet_lite.deploy.predict.meter import Meter
from mmseg_bisenet_lite.deploy.predict.network import Network
from mmseg_bisenet_lite.deploy.predict.pipeline import AHEAD, Pipeline
from mmseg_bisenet_lite.deploy.predict.sources import Images
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import CannotEncodeError, write_image

pytestmark = pytest.mark.usefixtures('no_thread_is_left')


class Segmenter:
    """Finds what is bright; a frame of height 1 is too small, one of height 2 breaks it."""

    runtime, precision = 'stub', 'fp32'

    def __init__(self, metadata, seconds=0.0):
        self.metadata, self.seconds, self.latency, self.calls = metadata, seconds, Latency(), []

    def __call__(self, pixels):
        self.calls.append(pixels.shape)
        height = pixels.shape[-3]
        if height == 1:
            raise InputError('too small')
        if height == 2:
            raise ZeroDivisionError('a defect')
        time.sleep(self.seconds)
        return (pixels[..., 0] > 127).astype(np.uint8)


class Clip:
    """A source in memory: each item is a brightness, or an error to yield, or to raise."""

    label, live, rate, files = 'clip.mp4', False, 25.0, ()

    def __init__(self, *items, moving=True, seconds=0.0, height=4):
        self.items, self.moving, self.seconds, self.height, self.closed = items, moving, seconds, height, False
        self.count = len(items)

    def name(self, number):
        return f'clip/{number}'

    def __iter__(self):
        try:
            for number, item in enumerate(self.items):
                time.sleep(self.seconds)
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, str):
                    yield Failure(item, InputError(f'{item}: broken'))
                    continue
                yield Frame(np.full((self.height, 5, 3), item, np.uint8), self, self.name(number), number, 0.0)
        finally:
            self.closed = True


class Writer:
    def __init__(self, there=(), seconds=0.0, fail_at=None, together=False):
        self.there, self.seconds, self.fail_at, self.together = set(there), seconds, fail_at, together
        self.results, self.asked, self.threads, self.ends = [], [], set(), {}

    def done(self, name, source):
        self.asked.append(name)
        return name in self.there

    def length(self, source):
        return self.ends.get(source, source.count)

    def end(self, source, frames):
        self.ends[source] = frames

    def write(self, result):
        self.threads.add(threading.get_ident())
        time.sleep(self.seconds)
        if result.frame.number == self.fail_at:
            raise InputError('--out found: No space left on device')
        self.results.append(result)

    @property
    def names(self):
        return [result.frame.name for result in self.results]


@pytest.fixture
def run(metadata):
    """Run a pipeline over sources; returns its meter, and the lines of what failed."""

    def run(*sources, writer=None, segmenter=None, **options):
        meter, failures = Meter(), []
        network = Network(segmenter or Segmenter(metadata))
        fail = lambda source, failure: failures.append(failure.error.line)  # noqa: E731
        Pipeline(network, writer, meter, fail, **options).run(sources)
        return meter, failures

    return run


@pytest.fixture
def images(tmp_path):
    def make(*heights):
        for number, height in enumerate(heights):
            write_image(tmp_path / f'{number}.png', np.full((height, 5, 3), 200, np.uint8))
        files = [tmp_path / f'{number}.png' for number in range(len(heights))]
        return Images(files, lambda file: file.stem, 'images')

    return make


def test_each_frame_gets_its_mask_in_order(run):
    writer = Writer()
    meter, failures = run(Clip(*(200 * (number % 3 == 0) for number in range(30))), writer=writer)
    assert writer.names == [f'clip/{number}' for number in range(30)]
    assert [int(result.mask.mean()) for result in writer.results] == [int(number % 3 == 0) for number in range(30)]
    assert len(writer.threads) == 1
    assert (meter.done, failures) == (30, [])


def test_all_images_are_done_by_several_threads(run, images):
    writer = Writer(seconds=0.002)
    run(images(*[4] * 20), writer=writer)
    assert sorted(map(int, writer.names)) == list(range(20))


def test_the_three_stages_overlap(run, metadata):
    """The reader at frame 2, the network at frame 1 and the writer at frame 0 meet, or the barrier breaks."""
    barrier = threading.Barrier(3)

    class MeetingClip(Clip):
        def __iter__(self):
            for each in super().__iter__():
                if each.number == 2:
                    barrier.wait(20)
                yield each

    class MeetingSegmenter(Segmenter):
        def __call__(self, pixels):
            if len(self.calls) == 1:
                barrier.wait(20)
            return super().__call__(pixels)

    class MeetingWriter(Writer):
        def write(self, result):
            if result.frame.number == 0:
                barrier.wait(20)
            super().write(result)

    writer = MeetingWriter()
    run(MeetingClip(*range(3)), writer=writer, segmenter=MeetingSegmenter(metadata))
    assert len(writer.results) == 3


@pytest.mark.parametrize('slow', ['reading', 'network', 'writing'])
def test_the_time_is_spent_on_the_slowest_stage(run, metadata, slow):
    seconds = {stage: 0.1 if stage == slow else 0.0 for stage in ('reading', 'network', 'writing')}
    clip, segmenter = Clip(*range(10), seconds=seconds['reading']), Segmenter(metadata, seconds['network'])
    meter, _ = run(clip, writer=Writer(seconds=seconds['writing']), segmenter=segmenter)
    assert max(meter.seconds, key=meter.seconds.get) == slow


@pytest.mark.parametrize(('moving', 'written'), [(False, [0, 1, 3, 4]), (True, [0, 1])])
def test_what_cannot_be_encoded_is_told_and_the_others_are_done(run, moving, written):
    class Picky(Writer):
        def write(self, result):
            if result.frame.source is first and result.frame.number == 2:
                raise CannotEncodeError('clip: too narrow')
            super().write(result)

    first, second, writer = Clip(*range(5), moving=moving), Clip(7, 8), Picky()
    meter, failures = run(first, second, writer=writer)
    assert failures == ['clip: too narrow']
    assert sorted(each.frame.number for each in writer.results if each.frame.source is first) == written
    assert sorted(each.frame.number for each in writer.results if each.frame.source is second) == [0, 1]
    assert (meter.done, meter.failed) == (len(written) + 2, 1)
    assert first.closed


def test_an_error_of_a_writer_stops_all(run, metadata):
    segmenter, clip, writer = Segmenter(metadata), Clip(*range(1000)), Writer(fail_at=3)
    with pytest.raises(InputError, match='No space left'):
        run(clip, writer=writer, segmenter=segmenter)
    assert clip.closed
    assert len(writer.results) == 3
    assert len(segmenter.calls) < 1000


def test_a_defect_of_the_reader_stops_all_and_what_was_done_is_kept(run):
    clip, writer = Clip(1, 2, ZeroDivisionError('a defect'), 3), Writer()
    with pytest.raises(ZeroDivisionError):
        run(clip, writer=writer)
    assert writer.names == ['clip/0', 'clip/1']
    assert clip.closed


def test_a_defect_of_the_network_stops_all_and_what_was_done_is_kept(run, images):
    writer = Writer()
    with pytest.raises(ZeroDivisionError):
        run(images(4, 4, 2, 4), writer=writer)
    assert sorted(writer.names) == ['0', '1']


def test_ctrl_c_keeps_what_was_done(run):
    writer = Writer(seconds=0.003)
    ticks = iter(range(5))

    def tick():
        if next(ticks) == 4:
            raise KeyboardInterrupt

    clip = Clip(*range(1000))
    with pytest.raises(KeyboardInterrupt):
        run(clip, writer=writer, tick=tick)
    assert writer.names == [f'clip/{number}' for number in range(5)]
    assert clip.closed


def test_images_that_fail_are_told_and_the_others_done(run, images, tmp_path):
    source, writer = images(4, 1, 4, 4), Writer()
    Path(source.files[2]).write_bytes(b'bad')
    meter, failures = run(source, writer=writer)
    assert sorted(writer.names) == ['0', '3']
    assert failures[0] == f'{tmp_path}/1.png: too small'
    assert failures[1].startswith(f'{tmp_path}/2.png: not a readable image')
    assert (meter.done, meter.failed) == (2, 2)


def test_a_video_that_breaks_or_does_not_fit_fails_once_and_the_next_source_is_done(run):
    writer = Writer()
    broken, small, good = Clip(1, InputError('clip.mp4: cut off')), Clip(*range(50), height=1), Clip(7)
    meter, failures = run(broken, small, good, writer=writer)
    assert failures == ['clip.mp4: cut off', 'clip.mp4: too small']
    assert writer.names == ['clip/0', 'clip/0']
    assert (meter.done, meter.failed) == (2, 2)


def test_images_that_are_done_are_not_opened(run, images, monkeypatch):
    source, read = images(4, 4, 4), []
    monkeypatch.setattr(source, 'read', lambda number: read.append(number) or Images.read(source, number))
    writer = Writer(there={'0', '2'})
    meter, _ = run(source, writer=writer)
    assert read == [1]
    assert (meter.done, meter.skipped) == (1, 2)


def test_frames_of_a_video_are_skipped_alone_or_only_all_together(run):
    names = [f'clip/{number}' for number in range(4)]
    for together, expected in ((False, ['clip/1']), (True, names)):
        writer = Writer(there=set(names) - {'clip/1'}, together=together)
        meter, _ = run(Clip(*range(4)), writer=writer)
        assert writer.names == expected
        assert meter.skipped == 4 - len(expected)
        writer = Writer(there=names, together=together)
        clip = Clip(InputError('is not opened'), 1, 1, 1)
        meter, failures = run(clip, writer=writer)
        assert (writer.names, failures, meter.skipped) == ([], [], 4)


@pytest.mark.parametrize('limit', [1, 3, 5, 100])
def test_the_limit_counts_what_was_tried_in_all_sources(run, images, limit):
    writer = Writer(there={'0'})
    meter, _ = run(images(4, 4, 4, 4), Clip('gone', 1, 2), writer=writer, limit=limit)
    assert meter.tried == min(limit, 6)
    assert meter.skipped == 1


def test_frames_of_one_size_are_batched(run, metadata, images):
    segmenter, writer = Segmenter(metadata), Writer()
    run(images(4, 4, 4, 5, 5, 4), writer=writer, segmenter=segmenter, batch=2)
    assert segmenter.calls == [(2, 4, 5, 3), (4, 5, 3), (2, 5, 5, 3), (4, 5, 3)]
    assert sorted(writer.names) == list('012345')
    assert all(result.mask.shape == result.frame.pixels.shape[:2] for result in writer.results)


def test_a_batch_that_fails_is_done_frame_by_frame(run, metadata):
    class Picky(Segmenter):
        def __call__(self, pixels):
            if (pixels == 66).any():
                raise InputError('no 66')
            return super().__call__(pixels)

    clip, writer = Clip(1, 66, 3), Writer()
    clip.moving = False
    _, failures = run(clip, writer=writer, segmenter=Picky(metadata), batch=3)
    assert (sorted(writer.names), failures) == (['clip/0', 'clip/2'], ['clip.mp4: no 66'])


def test_no_more_frames_are_held_than_agreed(run, metadata):
    """However many there are: the reader is never further ahead than what the queues hold."""
    read, lead, writer = [], [], Writer()

    class Counted(Clip):
        def __iter__(self):
            for each in super().__iter__():
                read.append(each.number)
                yield each

    run(Counted(*[1] * 200), writer=writer, tick=partial(lambda: lead.append(len(read) - len(lead))))
    assert len(lead) == 200
    assert max(lead) <= AHEAD + 1


def test_a_numbered_image_that_does_not_fit_fails_alone(run, images):
    files = images(4, 1, 4, 4).files
    writer = Writer()
    sequence = Images(files, lambda file: file.stem, '%d.png', moving=True)
    meter, failures = run(sequence, writer=writer)
    assert [failure.endswith('1.png: too small') for failure in failures] == [True]
    assert writer.names == ['0', '2', '3']
    assert (meter.done, meter.failed) == (3, 1)


def test_a_video_that_states_too_many_frames_is_done_once(run):
    clip, writer = Clip(1, 2, 3), Writer(together=True)
    clip.count = 5
    run(clip, writer=writer, limit=2)
    assert not writer.ends  # it was not read to its end
    run(clip, writer=writer)
    assert writer.ends == {clip: 3}
    writer.there = {'clip/0', 'clip/1', 'clip/2'}
    meter, _ = run(clip, writer=writer)
    assert (meter.done, meter.skipped) == (0, 3)


def test_a_video_that_breaks_has_no_end(run):
    writer = Writer()
    run(Clip(1, InputError('clip.mp4: cut off')), Clip(1, 2, height=1), writer=writer)
    assert not writer.ends


def test_numbered_images_have_no_end_that_more_of_them_could_not_move(run, images):
    files, writer = images(4, 4, 4).files, Writer()
    for count in (2, 3):
        run(Images(files[:count], lambda file: file.stem, '%d.png', moving=True), writer=writer)
        writer.there = set(writer.names)
    assert writer.names == ['0', '1', '2']
    assert not writer.ends
