"""Tiles over a network that is a formula, pixel by pixel, so that the tiled result must be that of the whole frame."""

import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_bisenet_lite.deploy import Segmenter, segmenter
from mmseg_bisenet_lite.deploy.tiles import CERTAIN, TiledSegmenter
from mmseg_bisenet_lite.utils.errors import InputError

RNG = np.random.default_rng(0)


class Formula:
    """The margin is blue minus 127.5; the network sees nothing at its input's edge, if told so."""

    name, precision = 'formula', 'fp32'

    def __init__(self, metadata, blind=0):
        self.metadata, self.blind, self.shapes = metadata, blind, []

    def __call__(self, frames):
        self.shapes.append(frames.shape)
        margin = frames[..., 0].astype(np.float32) - 127.5
        if self.blind:
            seen = np.zeros_like(margin)
            inner = (slice(None), *[slice(self.blind, -self.blind)] * 2)
            seen[inner] = margin[inner]
            margin = seen
        return [(margin > 0).astype(np.uint8), margin][: 1 + self.metadata.margin]


@pytest.fixture
def make(monkeypatch, metadata):
    def make(blind=0, resize=False, **changes):
        runtime = Formula(replace(metadata, **{'size': None, 'batch': None, 'margin': True, **changes}), blind)
        monkeypatch.setattr(segmenter, 'load_runtime', lambda *_: runtime)
        return Segmenter('a.onnx', resize=resize), runtime

    return make


def frames(*shape):
    return RNG.integers(0, 256, (*shape, 3), np.uint8)


@settings(max_examples=60)
@given(
    tiles=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    size=st.tuples(st.integers(5, 40), st.integers(5, 40)),
    overlap=st.floats(0, 0.5),
)
def test_tiles_cover_each_pixel_and_blending_keeps_what_they_agree_on(metadata, tiles, size, overlap):
    plain = Segmenter.__new__(Segmenter)
    plain._start(Formula(replace(metadata, size=None, batch=None, margin=True)), False)
    frame = frames(*size)
    mask, margin = TiledSegmenter(plain, tiles, overlap=overlap).with_margin(frame)
    assert (mask.dtype, margin.dtype) == (np.uint8, np.float32)
    assert np.array_equal(mask, frame[..., 0] > 127)
    assert np.allclose(margin, frame[..., 0] - 127.5, atol=1e-4)


def test_the_tiles_of_a_frame_are_one_batch_of_one_shape(make):
    plain, runtime = make()
    tiled = TiledSegmenter(plain, (3, 2), overlap=0.25)
    tiled(frames(60, 100))
    assert runtime.shapes == [(6, 35, 40, 3)]  # 40 + 2 * 30 = 100, 35 + 26.25 > 60
    assert tiled.latency.calls == 1
    assert 'in 1 run(s)' in repr(tiled)


@pytest.mark.parametrize(('batch', 'runs'), [(1, 6), (4, 2), (6, 1), (None, 1)])
def test_the_cost_is_said(make, batch, runs):
    plain, runtime = make(batch=batch)
    tiled = TiledSegmenter(plain, (3, 2))
    tiled(frames(60, 100))
    assert len(runtime.shapes) == tiled.runs == runs
    assert f'3x2 tile(s), 6 image(s) through the network in {runs} run(s)' in repr(tiled)


def test_small_tiles_are_enlarged_to_the_files_size(make):
    plain, runtime = make(resize=True, size=(64, 48))
    frame = cv2.resize(frames(6, 8), (64, 48), interpolation=cv2.INTER_CUBIC)
    mask = TiledSegmenter(plain, (2, 2))(frame)
    assert {shape[1:3] for shape in runtime.shapes} == {(48, 64)}
    sure = np.abs(frame[..., 0] - 127.5) > 25
    assert np.array_equal(mask[sure], frame[sure, 0] > 127)


def test_there_is_no_seam_where_a_tile_sees_badly(make):
    plain, _ = make(blind=3)
    frame = np.full((60, 60, 3), 255, np.uint8)
    mask = TiledSegmenter(plain, (3, 3), overlap=0.3)(frame)
    assert mask[3:-3, 3:-3].all()
    assert not TiledSegmenter(plain, (3, 3), overlap=0)(frame)[3:-3, 3:-3].all()  # what the overlap is for


def test_a_batch_gives_what_its_frames_give(make):
    tiled, batch = TiledSegmenter(make(blind=1)[0], (2, 3), roi=(2, 3, 30, 31)), frames(3, 40, 35)
    for together, single in zip(tiled.with_margin(batch), zip(*map(tiled.with_margin, batch), strict=True), strict=True):
        assert np.allclose(together, np.stack(single))


@pytest.mark.parametrize('tiles', [(1, 1), (2, 1)])
def test_outside_of_the_region_is_background(make, tiles):
    frame = np.full((20, 30, 3), 255, np.uint8)
    mask, margin = TiledSegmenter(make()[0], tiles, roi=(5, 4, 12, 10)).with_margin(frame)
    wanted = np.zeros((20, 30), bool)
    wanted[4:14, 5:17] = True
    assert np.array_equal(mask, wanted)
    assert np.array_equal(margin > 0, wanted)
    assert np.isfinite(margin).all()
    assert margin.min() == -margin.max() == -127.5


def test_outside_is_certain_also_where_nothing_inside_is(make):
    segmenter, _ = make()
    faint = np.full((20, 30, 3), 128, np.uint8)
    margin = TiledSegmenter(segmenter, roi=(5, 4, 12, 10)).with_margin(faint)[1]
    assert np.abs(margin[4:14, 5:17]).max() < 1
    assert margin.min() == -CERTAIN


def test_a_region_alone_needs_no_margin(make):
    plain, runtime = make(margin=False)
    frame = frames(20, 30)
    mask = TiledSegmenter(plain, roi=(5, 4, 12, 10))(frame)
    assert runtime.shapes == [(1, 10, 12, 3)]
    assert np.array_equal(mask[4:14, 5:17], frame[4:14, 5:17, 0] > 127)
    with pytest.raises(InputError, match='--margin'):
        TiledSegmenter(plain, roi=(5, 4, 12, 10)).with_margin(frame)
    with pytest.raises(InputError, match=r'blended by their margins.*--margin'):
        TiledSegmenter(plain, (2, 1))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'tiles': (0, 1)}, r'tiles=\(0, 1\)'),
        ({'overlap': 0.6}, r'overlap=0\.6'),
        ({'overlap': float('nan')}, 'overlap=nan'),
        ({'roi': (0, 0, 0, 3)}, r'roi=\(0, 0, 0, 3\)'),
        ({'roi': (-1, 0, 3, 3)}, r'roi=\(-1, 0, 3, 3\)'),
    ],
)
def test_arguments_out_of_range_are_named(make, arguments, message):
    with pytest.raises(InputError, match=message):
        TiledSegmenter(make()[0], **arguments)


def test_what_does_not_fit_the_frame_is_named(make):
    plain, _ = make()
    with pytest.raises(InputError, match=r'25,4,12,10 .*30x20'):
        TiledSegmenter(plain, roi=(25, 4, 12, 10))(frames(20, 30))
    with pytest.raises(InputError, match='40x1 tiles are more than'):
        TiledSegmenter(plain, (40, 1))(frames(20, 30))
    for wrong in ('a', np.zeros((3, 4), np.uint8), np.zeros((20, 30, 3))):
        with pytest.raises(InputError, match='must be a uint8 array'):
            TiledSegmenter(plain, (2, 1))(wrong)
    fixed, _ = make(size=(64, 48))
    with warnings.catch_warnings(), pytest.raises(InputError, match='resize=True'):
        TiledSegmenter(fixed, (2, 2))(frames(48, 64))
