"""What a visitor uploads."""

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.demo import upload
from mmseg_bisenet_lite.deploy.demo.upload import FFMPEG_OPTIONS, FFMPEG_OPTIONS_NAME, check_video, read_upload
from mmseg_bisenet_lite.deploy.demo.web_video import WebVideo
from mmseg_bisenet_lite.utils.errors import InputError


def write_video(file, frames=3):
    with WebVideo(file, 10) as video:
        for _ in range(frames):
            video.write(np.zeros((32, 48, 3), np.uint8))


def write_avi(file):
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*'MJPG'), 10, (48, 32))
    writer.write(np.zeros((32, 48, 3), np.uint8))
    writer.release()


def test_an_image_is_upright(tmp_path, root):
    from PIL import Image

    exif = Image.Exif()
    exif[0x112] = 6
    pixels = np.arange(40, dtype=np.uint8).reshape(5, 8)
    Image.fromarray(pixels).save(tmp_path / 'a.png', exif=exif)
    assert np.array_equal(read_upload(tmp_path / 'a.png')[..., 0], np.rot90(pixels, -1))


def test_an_image_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((20, 30), np.uint8))
    monkeypatch.setattr(upload, 'MOST_PIXELS_OF_A_FRAME', 599)
    monkeypatch.setattr(upload, 'decode_checked', lambda *_: pytest.fail('was decoded'))
    with pytest.raises(InputError, match=r'a\.png: 30x20 pixels are more than 599; make it smaller'):
        read_upload(tmp_path / 'a.png')


def test_videos_are_known_by_their_content(tmp_path):
    write_video(tmp_path / 'a.webm')
    write_avi(tmp_path / 'a.avi')
    for file in ('a.webm', 'a.avi'):
        check_video(tmp_path / file)


# FFmpeg would open the first two, and then the files and addresses in them.
@pytest.mark.parametrize('content', ['ffconcat version 1.0\nfile b.webm\n', '#EXTM3U\n#EXTINF:1,\nb.ts\n', '', 'G' * 180, '{}'])
def test_anything_else_is_refused(tmp_path, content):
    (tmp_path / 'a.mp4').write_text(content)
    with pytest.raises(InputError, match=r'^a\.mp4: neither an image nor a video; give a '):
        check_video(tmp_path / 'a.mp4')


def test_opencv_opens_no_list_of_other_files(tmp_path, monkeypatch):
    write_video(tmp_path / 'b.webm')
    (tmp_path / 'a.mp4').write_text('ffconcat version 1.0\nfile b.webm\n')

    def opens(name):
        capture = cv2.VideoCapture(str(tmp_path / name))
        try:
            return capture.read()[0]
        finally:
            capture.release()

    monkeypatch.delenv(FFMPEG_OPTIONS_NAME, raising=False)
    assert opens('a.mp4')  # else this test shows nothing
    monkeypatch.setenv(FFMPEG_OPTIONS_NAME, FFMPEG_OPTIONS)
    assert not opens('a.mp4')
    assert opens('b.webm')
