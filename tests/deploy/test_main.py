"""The command bisenet-lite predict, with a stand-in for the network that finds what is bright."""

import os
import signal
import sys

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Latency, __main__, paint
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import read_image, write_image

BRIGHT = np.full((20, 30, 3), 200, np.uint8)


class Stub:
    """A ``Segmenter``."""

    runtime, precision = 'stub', 'fp32'

    def __init__(self, metadata):
        self.metadata = metadata
        self.latency = Latency()

    def __call__(self, frame):
        if min(frame.shape[:2]) < 16:
            raise InputError(f'the file cannot run on {frame.shape[1]}x{frame.shape[0]}')
        self.latency.add(0.001)
        return (frame[..., 0] > 127).astype(np.uint8)


@pytest.fixture
def predict(monkeypatch, capsys, metadata):
    """Run the command in this process; returns its status, and the lines of both outputs."""

    def run(*arguments):
        monkeypatch.setattr(__main__, 'Segmenter', lambda *_, **__: Stub(metadata))
        monkeypatch.setattr(sys, 'argv', ['predict', 'file.onnx', *map(str, arguments)])
        status = 0
        try:
            __main__.main()
        except SystemExit as stopped:
            status = stopped.code
        output = capsys.readouterr()
        errors = output.err.splitlines()
        if isinstance(status, str):
            errors, status = [*errors, status], 1
        return status, output.out.splitlines(), errors

    return run


@pytest.fixture
def folder(tmp_path):
    photographs = tmp_path / 'in'
    photographs.mkdir()
    for name in ('a.png', 'b.png', 'c.PNG'):
        write_image(photographs / name, BRIGHT)
    return photographs


def test_images_are_painted_under_their_names(predict, folder, tmp_path, metadata):
    status, out, errors = predict(folder, '--out', tmp_path / 'out')
    assert (status, errors) == (0, [])
    assert out[-1].startswith('3 calls, median 1.00 ms')
    assert sorted(file.name for file in (tmp_path / 'out').iterdir()) == ['a.png', 'b.png', 'c.PNG']
    painted = paint(BRIGHT, np.ones((20, 30), np.uint8), metadata.palette)
    assert np.array_equal(read_image(tmp_path / 'out' / 'b.png'), painted)


def test_a_bad_image_does_not_end_the_run(predict, folder, tmp_path):
    (folder / 'b.png').write_bytes((folder / 'a.png').read_bytes()[:50])
    write_image(folder / 'small.png', BRIGHT[:5, :5])
    (folder / 'clip.mp4').touch()
    status, out, errors = predict(folder, '--out', tmp_path / 'out')
    assert status == 1
    assert out[-1].startswith('2 calls')
    assert sorted(file.name for file in (tmp_path / 'out').iterdir()) == ['a.png', 'c.PNG']
    left_out, truncated, small, last = errors
    assert left_out == f'{folder}: left out, not images: clip.mp4'
    assert truncated.startswith(f'{folder}/b.png: not a readable image, or a truncated one')
    assert small == 'small.png: the file cannot run on 5x5'
    assert last.endswith(f'error: {folder}: 2 of 4 images failed; each is named above')


def test_a_single_bad_image_is_one_line(predict, tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'bad')
    status, _, errors = predict(tmp_path / 'a.jpg')
    assert status == 1
    assert len(errors) == 1
    assert 'a.jpg: not a readable image' in errors[0]


def test_the_limit_counts_frames(predict, folder):
    assert predict(folder, '--limit', 2)[1][-1].startswith('2 calls')


def test_a_broken_video_shows_its_figures_before_the_error(predict, monkeypatch, tmp_path):
    class Broken:
        files = ()

        def __iter__(self):
            yield '000000.png', BRIGHT
            raise InputError('clip.avi: only 1 of 2 frames could be read')

    monkeypatch.setattr(__main__, 'source_of', lambda _: Broken())
    status, out, errors = predict('clip.avi', '--out', tmp_path / 'out')
    assert status == 1
    assert out[-1].startswith('1 calls')
    assert errors[-1].endswith('error: clip.avi: only 1 of 2 frames could be read')


def test_ctrl_c_shows_the_figures_and_ends_with_130(predict, monkeypatch):
    class Stopped:
        files = ()

        def __iter__(self):
            yield '000000.png', BRIGHT
            os.kill(os.getpid(), signal.SIGINT)
            yield '000001.png', BRIGHT

    monkeypatch.setattr(__main__, 'source_of', lambda _: Stopped())
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores the signal
    status, out, errors = predict('0')
    signal.signal(signal.SIGINT, handler)
    assert status == 130
    assert out[-1].startswith(('1 calls', '2 calls'))
    assert errors[-1].endswith('predict: interrupted')
