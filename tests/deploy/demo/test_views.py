"""What is seen of a frame."""

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Metadata, paint
from mmseg_bisenet_lite.deploy.demo.views import heat_map, views_of
from mmseg_bisenet_lite.utils.errors import InputError


def score(frame):
    return (frame[..., 0].astype(float) - 100) / 10


@pytest.mark.parametrize('own', [0.0, 1.0, -2.5])
@pytest.mark.parametrize('chosen', [0.0, 3.25, -4.0])
def test_the_threshold_is_in_score_units_whatever_the_files_is(model, frame, own, chosen):
    views = views_of(frame, model(threshold=own), chosen)
    assert np.array_equal(views.mask[..., 0] == 255, score(frame) > chosen)
    assert set(np.unique(views.mask)) == {0, 255}
    assert views.share == pytest.approx((score(frame) > chosen).mean())


def test_the_overlay_tints_the_mask(model, frame):
    views = views_of(frame, model(), 2.0)
    mask = (score(frame) > 2).astype(np.uint8)
    assert np.array_equal(views.overlay, paint(frame, mask, ((0, 0, 0), (0, 0, 142))))


@pytest.mark.parametrize('own', [0.0, 1.0])
@pytest.mark.parametrize('chosen', [0.0, 3.0])
def test_confidence_depends_neither_on_the_chosen_threshold_nor_on_the_files(model, frame, own, chosen):
    views = views_of(frame, model(threshold=own), chosen)
    expected = 1 / (1 + np.exp(-score(frame)))
    assert np.abs(views.confidence.astype(int) - heat_map(expected)).max() <= 8  # a step of the colours


def test_the_heat_map_goes_from_dark_to_bright_and_keeps_the_order():
    colours = heat_map(np.linspace(0, 1, 256, dtype=np.float32)[None])
    lightness = cv2.cvtColor(colours, cv2.COLOR_BGR2LAB)[0, :, 0].astype(int)
    assert (np.diff(lightness) >= -1).all()
    assert lightness[0] < 60
    assert lightness[-1] > 200


def test_the_stabiliser_gets_the_shifted_margin_and_decides(model, frame):
    seen = []

    def stabilise(margin, pixels):
        seen.append((margin, pixels))
        return np.ones(margin.shape, np.uint8), np.full_like(margin, 2.0)

    views = views_of(frame, model(threshold=1.0), 3.0, stabilise)
    margin, pixels = seen[0]
    assert np.allclose(margin, score(frame) - 3, atol=1e-5)
    assert pixels is frame
    assert (views.mask == 255).all()
    assert np.array_equal(views.confidence[0, 0], heat_map(np.array([[1 / (1 + np.exp(-5.0))]], np.float32))[0, 0])


def test_a_network_without_margin_shows_its_own_mask_and_refuses_what_needs_one(model, frame):
    plain = model(Metadata, margin=False, threshold=1.0)
    views = views_of(frame, plain, 1.0)
    assert views.confidence is None
    assert list(views.pictures) == ['overlay', 'mask']
    assert np.array_equal(views.mask[..., 0] == 255, score(frame) > 1)
    for threshold, stabilise in ((2.0, None), (1.0, lambda margin, pixels: (margin, margin))):
        with pytest.raises(InputError, match='stub: the file was exported without the margin; export it with --margin'):
            views_of(frame, plain, threshold, stabilise)
