import numpy as np
import pytest
import torch

from mmseg_bisenet_lite import KorniaAugment
from mmseg_bisenet_lite.utils.errors import InputError

pytest.importorskip('kornia', reason='Kornia is not installed')


@pytest.fixture
def photograph():
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def augmented(photograph, *transforms, seed=0):
    np.random.seed(seed)
    return KorniaAugment(transforms).transform(dict(img=photograph.copy()))['img']


def test_gamma_is_kornias_for_all_channels(photograph):
    found = augmented(photograph, dict(type='RandomGamma', gamma=(2.0, 2.0), p=1.0))
    assert found.dtype == np.uint8
    assert np.abs(found - 255 * (photograph / 255.0) ** 2).max() <= 0.51


def test_channels_are_in_kornias_order():
    blue = np.zeros((40, 50, 3), np.uint8)
    blue[..., 0] = 200
    grey = augmented(blue, dict(type='RandomGrayscale', p=1.0))
    assert abs(int(grey[0, 0, 0]) - 0.114 * 200) <= 1


def test_the_seed_of_the_sample_determines_the_draws_and_no_others(photograph):
    noise = dict(type='RandomGaussianNoise', std=0.1, p=1.0)
    torch.manual_seed(1)
    first = augmented(photograph, noise, seed=3)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert after == torch.rand(1)
    assert np.array_equal(first, augmented(photograph, noise, seed=3))
    assert not np.array_equal(first, augmented(photograph, noise, seed=4))


@pytest.mark.parametrize(
    'transform',
    [dict(type='RandomGama'), dict(type='RandomAffine', degrees=10), dict(type='RandomGamma', strength=2), dict(p=1.0)],
    ids=str,
)
def test_what_kornia_lacks_or_what_moves_pixels_is_refused(transform):
    with pytest.raises(InputError, match='KorniaAugment: '):
        KorniaAugment([transform])
