"""From an upload to what the page shows."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.demo import run as module
from mmseg_bisenet_lite.deploy.demo import upload
from mmseg_bisenet_lite.deploy.demo.run import run
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import read_image, write_image


class Video:
    """A source of frames, which counts how many were taken."""

    def __init__(self, frames, rate=10.0, error=None):
        self.frames, self.rate, self.count, self.error, self.taken = frames, rate, len(frames), error, 0

    def __iter__(self):
        for pixels in self.frames:
            self.taken += 1
            yield SimpleNamespace(pixels=pixels)
        if self.error:
            raise self.error


@pytest.fixture
def video(monkeypatch, tmp_path):
    """Make an upload that is read as these frames; returns its path and its source."""

    def make(frames, **settings):
        file = tmp_path / 'a.webm'
        file.write_bytes(b'\x1a\x45\xdf\xa3' + bytes(200))
        source = Video(frames, **settings)
        monkeypatch.setattr(module, 'Video', lambda text, files: source)
        return file, source

    return make


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / 'out'
    folder.mkdir()
    return folder


def frames_in(file):
    capture = cv2.VideoCapture(str(file))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames


def test_an_image_gives_pictures_of_its_size_and_says_what_was_found(model, frame, tmp_path, out):
    write_image(tmp_path / 'a.png', frame)
    shown = run(tmp_path / 'a.png', model(), 0.0, False, out, 5)
    assert not shown.moving
    assert sorted(file.name for file in out.iterdir()) == ['confidence.png', 'mask.png', 'overlay.png']
    mask = read_image(shown.files['mask'])
    assert mask.shape == frame.shape
    assert np.array_equal(mask[..., 0] == 255, frame[..., 0] > 100)
    assert shown.text.startswith(
        f'32x24 pixels. Foreground (vehicle): {100 * (frame[..., 0] > 100).mean():.1f} % of the image. '
    )
    assert 'Network: ' in shown.text
    assert 'confidence' not in shown.text


def test_a_network_without_calibration_is_told_and_its_confidence_left_out(model, frame, tmp_path, out):
    write_image(tmp_path / 'a.png', frame)
    without = model()
    without.__dict__['why_no_confidence'] = 'this file has no calibration; export it again'
    shown = run(tmp_path / 'a.png', without, 0.0, False, out, 5)
    assert sorted(shown.files) == ['mask', 'overlay']
    assert shown.text.endswith('No confidence: this file has no calibration; export it again.')


def test_a_video_gives_videos_of_the_same_length_and_rate(model, frame, video, out):
    file, _ = video([frame, frame[:, ::-1].copy(), frame])
    reports = []
    shown = run(file, model(), 0.0, False, out, 5, lambda label, done: reports.append((label, done)))
    assert shown.moving
    for name in ('overlay', 'mask', 'confidence'):
        assert len(frames_in(shown.files[name])) == 3
    masks = frames_in(shown.files['mask'])
    assert masks[0][12, 31, 0] > 200 > 50 > masks[0][12, 0, 0]
    assert masks[1][12, 0, 0] > 200 > 50 > masks[1][12, 31, 0]
    assert '3 frames of 32x24 pixels, 10 a second.' in shown.text
    assert 'first' not in shown.text
    assert reports == [('Frame 1', pytest.approx(1 / 3)), ('Frame 2', pytest.approx(2 / 3)), ('Frame 3', 1)]


def test_of_a_long_video_only_the_first_frames_are_done_and_it_says_so(model, frame, video, out):
    file, source = video([frame] * 20)
    shown = run(file, model(), 0.0, False, out, 4)
    assert len(frames_in(shown.files['overlay'])) == 4
    assert source.taken == 5
    assert 'Only the first 4 frames are done' in shown.text


def test_of_a_damaged_video_what_was_read_is_shown_with_the_reason(model, frame, video, out):
    file, _ = video([frame, frame], error=InputError('a.webm: only 2 of 9 frames could be read'))
    shown = run(file, model(), 0.0, False, out, 5)
    assert len(frames_in(shown.files['overlay'])) == 2
    assert 'Stopped early: a.webm: only 2 of 9 frames could be read.' in shown.text


def test_messages_about_a_damaged_video_name_no_folder_of_the_machine(model, frame, tmp_path, out):
    writer = cv2.VideoWriter(str(tmp_path / 'a.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (640, 480))
    for _ in range(20):
        writer.write(cv2.resize(frame, (640, 480)))
    writer.release()
    content = (tmp_path / 'a.avi').read_bytes()
    (tmp_path / 'a.avi').write_bytes(content[: len(content) // 2])
    text = run(tmp_path / 'a.avi', model(), 0.0, False, out, 50).text
    assert 'Stopped early: a.avi: only ' in text
    assert '/' not in text


def test_a_video_of_more_pixels_than_a_network_takes_is_refused(model, frame, video, out, monkeypatch):
    monkeypatch.setattr(upload, 'MOST_PIXELS_OF_A_FRAME', frame.shape[0] * frame.shape[1] - 1)
    file, _ = video([frame])
    with pytest.raises(InputError, match=r'^a\.webm: 32x24 pixels are more than 767; make it smaller'):
        run(file, model(), 0.0, False, out, 5)


def test_a_video_without_any_frame_is_an_error(model, video, out):
    file, _ = video([], error=InputError('a.webm: no frame could be read'))
    with pytest.raises(InputError, match='no frame could be read'):
        run(file, model(), 0.0, False, out, 5)
    assert not list(out.iterdir())


def test_a_rate_that_the_file_does_not_state_is_said_to_be_a_guess(model, frame, video, out):
    file, _ = video([frame], rate=None)
    assert '25 a second (a guess: the file states none)' in run(file, model(), 0.0, False, out, 5).text


def test_each_video_has_a_stabiliser_of_its_own(model, frame, video, out, monkeypatch):
    made = []

    class Stabiliser:
        def __init__(self):
            self.calls = 0
            made.append(self)

        def __call__(self, margin, pixels):
            self.calls += 1
            return np.ones(margin.shape, np.uint8), margin

    monkeypatch.setattr(module, 'Stabiliser', Stabiliser)
    file, _ = video([frame, frame])
    for stabilise in (True, False, True):
        shown = run(file, model(), 0.0, stabilise, out, 5)
        assert ('100.0 % of the pixels' in shown.text) == stabilise
    assert [each.calls for each in made] == [2, 2]


def test_what_is_neither_an_image_nor_a_video_is_an_error(model, tmp_path, out):
    (tmp_path / 'a.txt').write_text('words')
    with pytest.raises(InputError, match=r'a\.txt: neither an image nor a video'):
        run(tmp_path / 'a.txt', model(), 0.0, False, out, 5)


def test_a_frame_of_another_size_than_the_files_is_said_to_be_letterboxed(model, frame, tmp_path, out):
    write_image(tmp_path / 'a.png', frame)
    for size, said in ((None, False), ((32, 24), False), ((64, 32), True)):
        text = run(tmp_path / 'a.png', model(size=size), 0.0, False, out, 5).text
        assert ('Letterboxed, since the file was exported for 64x32.' in text) == said


def test_the_threshold_that_was_used_is_said(model, frame, video, tmp_path, out):
    write_image(tmp_path / 'a.png', frame)
    assert ' Threshold: 1.25. ' in run(tmp_path / 'a.png', model(), 1.25, False, out, 5).text
    assert ' Threshold: -0.50. ' in run(video([frame])[0], model(), -0.5, False, out, 5).text
