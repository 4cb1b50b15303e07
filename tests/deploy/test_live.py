"""Live segmentation in Python."""

import re
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Latency, live
from mmseg_bisenet_lite.deploy.live import _Frames
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.fixture
def segmenter(metadata):
    """A pixel is foreground if its blue is above 127."""

    class Formula:
        runtime, precision, latency = 'formula', 'fp32', Latency()

        def __init__(self):
            self.metadata = replace(metadata, batch=1)

        def __call__(self, frames):
            return (frames[..., 0] > 127).astype(np.uint8)

    return Formula()


def test_an_iterator_of_frames_may_reuse_its_buffer(segmenter):
    """Each next frame is made only when the result of the one before has been looked at."""
    buffer, masks = np.zeros((2, 3, 3), np.uint8), []

    def camera():
        for number in range(4):
            while len(masks) < number:
                time.sleep(0.001)
            buffer[:] = 255 * (number % 2)
            yield buffer

    run = live(segmenter, camera())
    kept = []
    for result in run:
        kept.append(result)
        masks.append(result.mask)
    assert [int(mask.max()) for mask in masks] == [0, 1, 0, 1]
    assert [int(result.frame.pixels.max()) for result in kept] == [0, 255, 0, 255]
    assert [result.frame.name for result in kept] == [f'camera0/{number:06d}' for number in range(4)]
    assert all(result.age > 0 for result in kept)
    assert run.report[0].age.calls == 4


def test_an_iterable_that_fails_is_opened_again_and_an_iterator_is_not(segmenter, monkeypatch, capsys):
    class Camera:
        opened = 0

        def __iter__(self):
            self.opened += 1
            yield np.full((2, 3, 3), self.opened, np.uint8)
            if self.opened < 3:
                raise ConnectionError('the camera is gone')

    monkeypatch.setattr('mmseg_bisenet_lite.deploy.predict.newest_frame.DELAYS', (0.001, 0.002))
    camera = Camera()
    assert [int(result.frame.pixels[0, 0, 0]) for result in live(segmenter, camera)][-1] == 3
    assert camera.opened == 3
    assert 'camera0: the camera is gone; attempt 1 to open it again' in capsys.readouterr().err
    with pytest.raises(ConnectionError):
        list(live(segmenter, iter(Camera())))
    with pytest.raises(ConnectionError):
        list(live(segmenter, Camera(), reconnect_for=0))


def test_numbers_and_urls_are_opened_like_those_of_the_command_line(segmenter, monkeypatch):
    asked = []

    def sources_of(texts):
        asked.append(texts)
        return [SimpleNamespace(label=texts[0], live=texts[0] != 'clip.mp4', moving=True, files=(), rate=None, count=None)]

    monkeypatch.setattr(sys.modules[live.__module__], 'sources_of', sources_of)
    live(segmenter, 0, 'rtsp://camera/main')
    assert asked == [['0'], ['rtsp://camera/main']]
    with pytest.raises(InputError, match=r'^clip.mp4: is neither a camera nor a stream'):
        live(segmenter, 'clip.mp4')
    with pytest.raises(InputError, match='give at least one camera'):
        live(segmenter)


def test_the_program_of_the_page_prints_the_age_of_each_mask(segmenter, monkeypatch, capsys, root):
    page = (root / 'mmseg_bisenet_lite' / 'deploy' / 'predict' / 'README.md').read_text(encoding='utf-8')
    (program,) = (block for block in re.findall(r'```python\n(.*?)```', page, re.DOTALL) if 'live(' in block)

    def sources_of(texts):
        camera = [np.full((2, 4, 3), 255, np.uint8)]
        return [_Frames(camera, texts[0])]

    monkeypatch.setattr(sys.modules[live.__module__], 'sources_of', sources_of)
    exec(program, {'segmenter': segmenter})  # noqa: S102  our own page
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.rpartition(' 1.0 ')[0] for line in lines[:2]) == ['0', 'rtsp://192.168.1.7/main']
    assert lines[2].startswith('0: age of 1 frames')
    assert lines[3].startswith('rtsp://192.168.1.7/main: age of 1 frames')
