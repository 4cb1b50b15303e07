"""A network that finds what is bright, in the place of a real one."""

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Latency, Metadata
from mmseg_bisenet_lite.deploy.demo.model import Model


class Calibrated(Metadata):
    """Metadata with a calibration."""

    def probability(self, margin):
        return (1 / (1 + np.exp(-(margin + self.threshold)))).astype(np.float32)


class Stub:
    """A ``Segmenter`` whose score is the first channel's distance from 100, in tens."""

    runtime, precision = 'stub', 'fp32'

    def __init__(self, metadata):
        self.metadata = metadata
        self.latency = Latency()

    def __call__(self, frame):
        return (self.score(frame) > self.metadata.threshold).astype(np.uint8)

    def with_margin(self, frame):
        assert self.metadata.margin
        return self(frame), self.score(frame) - np.float32(self.metadata.threshold)

    @staticmethod
    def score(frame):
        return (frame[..., 0].astype(np.float32) - 100) / 10


@pytest.fixture
def model(metadata):
    """Make a model: ``model(kind, threshold=..., margin=...)``."""

    def make(kind=Calibrated, **changes):
        values = {**vars(metadata), 'size': None, 'batch': None, 'margin': True, 'best_threshold': 1.5, **changes}
        return Model('stub', Stub(kind(**values)))

    return make


@pytest.fixture
def frame():
    """24 x 32 pixels; the columns' scores go from -10 to 14."""
    return np.repeat(np.linspace(0, 240, 32).astype(np.uint8)[None, :, None], 24, axis=0).repeat(3, axis=2)
