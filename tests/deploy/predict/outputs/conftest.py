"""Fixtures: sources, results and writers without a network."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Metadata
from mmseg_bisenet_lite.deploy.predict.frames import Frame, Result
from mmseg_bisenet_lite.deploy.predict.outputs import Outputs

METADATA = Metadata(
    classes=('background', 'vehicle'),
    palette=((0, 0, 0), (0, 0, 200)),
    size=None,
    batch=1,
    precision='fp32',
    margin=True,
    config='c.py',
    commit=None,
    weights_sha256='0' * 64,
    version='1',
)


class FakeSource:
    """A source whose frames a test makes; images if there is no folder, otherwise a video."""

    count = None

    def __init__(self, label='images', folder='', files=(), rate=None, live=False):
        self.label, self.folder, self.files, self.rate, self.live = label, folder, files, rate, live
        self.moving = bool(folder)

    def name(self, number):
        return f'{self.folder}/{number:06d}' if self.folder else f'image-{number}'


@pytest.fixture
def source():
    return FakeSource


@pytest.fixture
def result_of():
    """Make a result of a frame; by default its left half is foreground."""

    def make(source, number=0, name=None, mask=None, captured=0.0, **fields):
        if mask is None:
            mask = np.zeros((24, 32), np.uint8)
            mask[:, :16] = 1
        pixels = np.full((*mask.shape, 3), 100, np.uint8)
        frame = Frame(pixels, source, name or source.name(number), number, captured)
        return Result(frame, mask, fields.get('margin'), fields.get('probability'), 0.0125)

    return make


@pytest.fixture
def open_outputs(tmp_path):
    """Make outputs in the folder ``out``."""

    def make(save, *sources, overwrite=False, folder=None, **options):
        return Outputs(folder or tmp_path / 'out', save, METADATA, overwrite, sources, **options)

    return make


@pytest.fixture
def listed():
    """Return the names of all files below a folder."""
    return lambda folder: sorted(str(file.relative_to(folder)) for file in Path(folder).rglob('*') if not file.is_dir())


@pytest.fixture
def full_disk(monkeypatch):
    """Let writing of bytes fail as on a full disk; ``.active`` switches it."""
    state, write_bytes = SimpleNamespace(active=True), Path.write_bytes

    def full(path, data):
        if state.active:
            write_bytes(path, bytes(data)[:5])
            raise OSError(28, 'No space left on device')
        return write_bytes(path, data)

    monkeypatch.setattr(Path, 'write_bytes', full)
    return state
