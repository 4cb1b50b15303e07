import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import CannotEncodeError


def read(file):
    video = cv2.VideoCapture(str(file))
    frames = []
    while True:
        more, frame = video.read()
        if not more:
            return frames, video.get(cv2.CAP_PROP_FPS)
        frames.append(frame)


def masks(count, height=48, width=64):
    """Masks whose foreground is a bar that grows from left to right."""
    for number in range(count):
        mask = np.zeros((height, width), np.uint8)
        mask[:, : width * (number + 1) // count] = 1
        yield mask


def blue(frame):
    """Share of the pixels that are tinted."""
    return (frame[..., 0].astype(int) - frame[..., 2] > 50).mean()


@pytest.mark.parametrize(('kind', 'file'), [('video', 'clip.mp4'), ('webm', 'clip.webm')])
def test_a_video_has_the_frames_in_order_at_the_rate_of_its_source(
    open_outputs, source, result_of, tmp_path, listed, kind, file
):
    video = source('in/clip.avi', 'street/clip', rate=12.5)
    with open_outputs([kind], video) as outputs:
        for number, mask in enumerate(masks(8)):
            assert not outputs.done(video.name(number), video)
            outputs.write(result_of(video, number, mask=mask))
        assert not list((tmp_path / 'out/video/street').glob(file))  # no name before it is finished
    frames, rate = read(tmp_path / 'out/video/street' / file)
    assert rate == pytest.approx(12.5, rel=1e-3)
    assert [blue(frame) for frame in frames] == pytest.approx([(number + 1) / 8 for number in range(8)], abs=0.04)
    assert frames[0].shape == (48, 64, 3)
    assert listed(tmp_path / 'out/video') == [f'street/{file}']


@pytest.mark.parametrize('rate', [0.5, 7, 23.976, 29.97, 30000 / 1001, 59.94, 66.667, 119.826, 211.222, 240, 1000 / 3])
def test_rates_of_cameras_are_kept(open_outputs, source, result_of, tmp_path, rate):
    video = source('clip.avi', 'clip', rate=rate)
    with open_outputs(['video'], video) as outputs:
        for number, mask in enumerate(masks(3)):
            outputs.write(result_of(video, number, mask=mask))
    frames, written = read(tmp_path / 'out/video/clip.mp4')
    assert len(frames) == 3
    assert written == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize(('kind', 'size'), [('video', (1, 40)), ('webm', (2, 2))])
def test_a_size_that_cannot_be_encoded_is_told(open_outputs, source, result_of, kind, size):
    video = source('clip.avi', 'clip', rate=66.667)
    with open_outputs([kind], video) as outputs:
        width, height = size
        with pytest.raises(CannotEncodeError, match=f'cannot encode a video of {width}x{height} pixels at 66.67 frames a sec'):
            outputs.write(result_of(video, mask=np.zeros((height, width), np.uint8)))


def test_no_video_of_a_source_is_left_if_one_of_its_outputs_cannot_be_encoded(
    open_outputs, source, result_of, tmp_path, listed
):
    video, other = source('clip.avi', 'clip', rate=25), source('other.avi', 'other', rate=25)
    with open_outputs(['webm', 'video'], video, other) as outputs:
        with pytest.raises(CannotEncodeError, match=r'clip\.mp4'):  # VP8 can
            outputs.write(result_of(video, mask=np.zeros((8, 9000), np.uint8)))
        outputs.write(result_of(other))
    assert listed(tmp_path / 'out/video') == ['other.mp4', 'other.webm']


def test_an_unknown_rate_is_told(open_outputs, source, result_of, tmp_path):
    video = source('seq/%04d.png', 'seq')
    with (
        pytest.warns(UserWarning, match=r'seq/%04d\.png: its frame rate is unknown; seq\.mp4 has 25'),
        open_outputs(['video'], video) as outputs,
    ):
        outputs.write(result_of(video))
    assert read(tmp_path / 'out/video/seq.mp4')[1] == 25


def test_an_interrupted_video_is_removed_and_done_again(open_outputs, source, result_of, tmp_path, listed):
    video = source('clip.mp4', 'clip', rate=10)

    def interrupted():
        with open_outputs(['mask', 'video'], video) as outputs:
            for number in range(3):
                outputs.write(result_of(video, number))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [file for file in listed(tmp_path / 'out') if 'video' in file] == []
    with open_outputs(['mask', 'video'], video) as outputs:
        assert outputs.together
        assert not any(outputs.done(video.name(number), video) for number in range(5))
        for number in range(5):
            outputs.write(result_of(video, number))
    assert len(read(tmp_path / 'out/video/clip.mp4')[0]) == 5
    outputs = open_outputs(['mask', 'video'], video)
    assert all(outputs.done(video.name(number), video) for number in range(5))
    assert not outputs.done(video.name(5), video)  # a run with more frames makes the video again


def test_videos_one_after_the_other(open_outputs, source, result_of, tmp_path):
    first, images, second = source('a.mp4', 'a', rate=10), source(), source('b.mp4', 'b', rate=10)
    with open_outputs(['video'], first, images, second) as outputs:
        for each in (first, images, second):
            for number in range(4):
                outputs.write(result_of(each, number))
            if each is second:
                assert len(read(tmp_path / 'out/video/a.mp4')[0]) == 4  # memory does not grow with the number of videos
        with pytest.raises(ValueError, match=r'a\.mp4: frames came after those of another video'):
            outputs.write(result_of(first, 4))
    assert [len(read(tmp_path / f'out/video/{name}.mp4')[0]) for name in 'ab'] == [4, 4]


def test_frames_that_are_missing_keep_their_time(open_outputs, source, result_of, tmp_path):
    video = source('clip.mp4', 'clip', rate=10)
    with open_outputs(['video'], video) as outputs:
        for number, mask in zip((2, 3, 6), masks(3), strict=True):  # 4 and 5 were damaged, and 0 and 1 before the first
            outputs.write(result_of(video, number, mask=mask))
    frames, _ = read(tmp_path / 'out/video/clip.mp4')
    assert [blue(frame) for frame in frames] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 2 / 3, 1], abs=0.06)


def test_an_old_video_does_not_pass_for_one_that_was_not_finished(open_outputs, source, result_of, tmp_path):
    video = source('clip.mp4', 'clip', rate=10)
    for complete in (True, False):
        outputs = open_outputs(['video'], video, overwrite=True)
        outputs.write(result_of(video))
        outputs.close(complete)
        assert (tmp_path / 'out/video/clip.mp4').exists() == complete
    assert not open_outputs(['video'], video).done(video.name(0), video)


def test_a_long_gap_is_shown_for_a_minute_once(open_outputs, source, result_of, tmp_path):
    camera = source('0', 'camera-0', rate=2, live=True)
    with open_outputs(['video'], camera) as outputs:
        for number, captured in enumerate((0, 0.5, 300, 300.5, 301)):
            outputs.write(result_of(camera, number, captured=captured))
    assert len(read(tmp_path / 'out/video/camera-0.mp4')[0]) == 2 + 60 * 2 + 3


@pytest.mark.parametrize('speed', [0.3, 1, 3])
def test_live_videos_keep_their_time_and_are_interleaved(open_outputs, source, result_of, tmp_path, speed):
    cameras = [source(f'camera {number}', f'camera-{number}', rate=20, live=True) for number in range(2)]
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, 400)

    def interrupted():  # Ctrl-C is how a camera ends
        with open_outputs(['video'], *cameras) as outputs:
            for number in range(round(40 * speed)):
                for camera in cameras:
                    captured = 1000 + (number + jitter[number]) / (20 * speed)
                    outputs.write(result_of(camera, number, captured=captured))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    for number in range(2):
        assert len(read(tmp_path / f'out/video/camera-{number}.mp4')[0]) == pytest.approx(40, abs=4)  # 2 seconds


@pytest.mark.parametrize(('height', 'width'), [(96, 64), (31, 77), (48, 64)])
def test_a_stream_that_changes_its_size_is_letterboxed(open_outputs, source, result_of, tmp_path, height, width):
    video = source('rtsp://x', 'x', rate=10)
    with open_outputs(['video'], video) as outputs:
        outputs.write(result_of(video, 0, mask=np.zeros((48, 64), np.uint8)))
        outputs.write(result_of(video, 1, mask=np.ones((height, width), np.uint8)))
    frames, _ = read(tmp_path / 'out/video/x.mp4')
    assert [frame.shape for frame in frames] == 2 * [(48, 64, 3)]
    assert blue(frames[1]) > 0.9


def test_still_images_alone_are_refused(open_outputs, source):
    with pytest.raises(InputError, match=r'--save video: no SOURCE is a video.*; for still images give overlay'):
        open_outputs(['video'], source())
    open_outputs(['video'], source(), part='1of2')  # the videos may be in another part


def test_numbered_images_of_one_folder_have_two_videos(open_outputs, source, tmp_path):
    left, right, same = (source(f'a/{name}_%04d.png', 'a') for name in ('left', 'right', 'Left'))
    outputs = open_outputs(['video'], left, right)
    (tmp_path / 'out/video/a').mkdir(parents=True)
    (tmp_path / 'out/video/a/left.mp4').touch()
    (video, _) = outputs._writers
    assert (video.done('a/left_0001', left), video.done('a/right_0001', right)) == (True, False)
    with pytest.raises(InputError, match=r'the videos of a/left_%04d\.png and a/Left_%04d\.png would be one file'):
        open_outputs(['video'], left, same)


def test_a_video_that_was_not_written_whole_gets_no_name(open_outputs, source, result_of, tmp_path, listed, monkeypatch):
    video = source('clip.mp4', 'clip', rate=10)
    outputs = open_outputs(['video'], video)
    for number in range(20):
        outputs.write(result_of(video, number))
    part = tmp_path / 'out/video/.clip.part.mp4'
    finish = outputs._writers[0]._open[video].finish
    outputs._writers[0]._open[video]._writer.release()
    part.write_bytes(part.read_bytes()[:200])  # as if the disk were full
    with pytest.raises(InputError, match=r'video/clip\.mp4: only 0 of 20 frames were written; is the disk full\?'):
        finish()
    assert listed(tmp_path / 'out/video') == []
