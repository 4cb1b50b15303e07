import copy

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmseg_bisenet_lite.models.normalise import Normalise

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def normalise(**settings):
    return Normalise(Config(dict(model=dict(data_preprocessor=dict(mean=MEAN, std=STD, **settings)))))


@pytest.fixture
def frames():
    return torch.randint(256, (2, 12, 10, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('swap', [False, True])
def test_each_channel_has_its_mean_and_deviation(swap, frames):
    image = normalise(bgr_to_rgb=swap)(frames)
    for channel in range(3):
        values = frames[..., 2 - channel if swap else channel].float()
        torch.testing.assert_close(image[:, channel], (values - MEAN[channel]) / STD[channel])


@pytest.mark.parametrize('swap', [False, True])
@torch.no_grad()
def test_folded_into_convolutions_it_does_the_same(swap, frames):
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)  # which pad with zeros
    plain = normalise(bgr_to_rgb=swap)
    expected = first(plain(frames)) + second(plain(frames))
    folded = copy.deepcopy(plain)
    for _ in range(2):  # once is enough
        folded.fold_into([first, second])
        torch.testing.assert_close(first(folded(frames)) + second(folded(frames)), expected)
        assert folded.std is None
        assert not folded.swap


@pytest.mark.parametrize('convolutions', [[], [nn.Conv2d(3, 6, 3), nn.Conv2d(3, 6, 3, groups=3)]])
def test_nothing_is_folded_where_it_would_be_wrong(convolutions, frames):
    plain = normalise(bgr_to_rgb=True)
    folded, before = copy.deepcopy(plain), copy.deepcopy(convolutions)
    folded.fold_into(convolutions)
    assert all(torch.equal(one.weight, other.weight) for one, other in zip(convolutions, before, strict=True))
    assert torch.equal(folded(frames), plain(frames))
