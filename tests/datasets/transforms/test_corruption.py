import sys

import cv2
import numpy as np
import pytest
import torch
from mmseg.registry import TRANSFORMS

from mmseg_bisenet_lite.datasets.transforms.corruption import DROP_HEIGHT, KINDS
from mmseg_bisenet_lite.utils.errors import InputError

pytest.importorskip('kornia', reason='Kornia is not installed; it needs Python 3.11')

EVERY = [(kind, strength) for kind, each in KINDS.items() for strength in each.strengths]


def corrupted(image, kind, strength, seed=0):
    transform = TRANSFORMS.build(dict(type='Corrupt', kind=kind, strength=strength, seed=seed))
    return transform(dict(img=image.copy()))['img']


@pytest.fixture(scope='module')
def image():
    """Colours, edges and plain parts: blocks of eight pixels, a bit smoothed."""
    blocks = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    return cv2.GaussianBlur(cv2.resize(blocks, (128, 96), interpolation=cv2.INTER_NEAREST), (3, 3), 0)


def blurred(image, sigma):
    side = 2 * round(3 * sigma) + 1  # up to three standard deviations
    return cv2.GaussianBlur(image.astype(np.float64), (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)


def moved(image, length):
    return cv2.blur(image.astype(np.float64), (int(length), 1), borderType=cv2.BORDER_REFLECT_101)


def saved(image, quality):
    return cv2.imdecode(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    ('kind', 'expected'),
    [
        ('dark', lambda image, gain: image * gain),
        ('bright', lambda image, gain: (image * gain).clip(max=255)),
        ('blur', blurred),
        ('motion', moved),
        ('jpeg', saved),
    ],
)
def test_a_strength_is_what_it_says(image, kind, expected):
    for strength in KINDS[kind].strengths:
        difference = corrupted(image, kind, strength) - expected(image, strength).astype(np.float64)
        assert np.abs(difference).max() <= (0 if kind == 'jpeg' else 1.01)


def test_noise_has_its_deviation_in_each_channel():
    grey = np.full((200, 200, 3), 128, np.uint8)
    for sigma in KINDS['noise'].strengths:
        noise = corrupted(grey, 'noise', sigma).astype(float) - 128
        assert noise.std(axis=(0, 1)) == pytest.approx([sigma] * 3, rel=0.02)
        assert noise.mean() == pytest.approx(0, abs=sigma / 50)
        assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.03


def test_rain_is_as_dense_as_it_says_whatever_the_size():
    for side in (100, 400):
        black = np.zeros((side, side, 3), np.uint8)
        for density in KINDS['rain'].strengths:
            rain = corrupted(black, 'rain', density)
            assert set(np.unique(rain)) == {0, 200}
            covered = density * DROP_HEIGHT / 1000
            assert 0.8 * covered < (rain[..., 0] > 0).mean() <= covered  # drops overlap


@pytest.mark.parametrize('kind', KINDS)
def test_the_second_strength_changes_more(image, kind):
    weak, strong = (np.abs(corrupted(image, kind, each).astype(int) - image).mean() for each in KINDS[kind].strengths)
    assert 1 < weak < 0.8 * strong


@pytest.mark.parametrize(('kind', 'strength'), EVERY)
def test_the_same_seed_gives_the_same_pixels_and_draws_no_other_number(image, kind, strength):
    first = corrupted(image, kind, strength)
    torch.manual_seed(7)
    state = torch.get_rng_state()
    assert np.array_equal(corrupted(image, kind, strength), first)
    assert torch.equal(torch.get_rng_state(), state)
    drawn = kind in ('noise', 'rain')
    assert np.array_equal(corrupted(image, kind, strength, seed=1), first) != drawn
    other = image[::-1]
    if drawn:  # another photograph has other noise
        assert not np.array_equal(corrupted(other, kind, strength) - other.astype(int), first - image.astype(int))
    assert first.dtype == np.uint8


def test_float_images_stay_float(image):
    assert corrupted(image.astype(np.float32), 'dark', 0.5).dtype == np.float32


@pytest.mark.parametrize(
    ('kind', 'strength', 'message'),
    [
        ('fog', 1, r"kind='fog'\): choose from dark, bright"),
        ('dark', 0, 'give a number above 0'),
        ('motion', 8, 'give an odd number of pixels'),
        ('jpeg', 101, 'give a quality from 1 to 100'),
    ],
)
def test_wrong_arguments_are_named(image, kind, strength, message):
    with pytest.raises(InputError, match=message):
        corrupted(image, kind, strength)


def test_a_missing_library_is_named(image, monkeypatch):
    monkeypatch.setitem(sys.modules, 'kornia', None)
    with pytest.raises(InputError, match='pip install kornia'):
        corrupted(image, 'dark', 0.5)
