import copy

import pytest
import torch
from mmengine.config import Config
from torch import nn
from torch.nn import functional as F

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


class TwoPaths(nn.Module):
    """Two convolutions that take the image, one with zeros as padding, and one that does not."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.later = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 3)

    def forward(self, image):
        assert image.shape[1] == 3  # reading the shape does not take the image
        return self.later(self.first(image).relu() + self.second(image))


@pytest.mark.parametrize('swap', [False, True])
@torch.no_grad()
def test_folded_into_the_first_convolutions_it_does_the_same(swap, frames):
    torch.manual_seed(0)
    network, plain = TwoPaths(), normalise(bgr_to_rgb=swap)
    expected, later = network(plain(frames)), network.later.weight.clone()
    folded = copy.deepcopy(plain)
    folded.fold_into(network, torch.zeros(1, 3, 8, 8))
    torch.testing.assert_close(network(folded(frames)), expected)
    assert torch.equal(network.later.weight, later)
    assert folded.std is None
    assert not folded.swap
    folded.fold_into(network, torch.zeros(1, 3, 8, 8))  # once is enough
    torch.testing.assert_close(network(folded(frames)), expected)


class ShrinksTheImage(TwoPaths):
    def forward(self, image):
        return self.later(self.first(F.max_pool2d(image, 2)).relu() + self.second(image)[..., ::2, ::2])


class TakesChannelsApart(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 6, 3, groups=3)

    def forward(self, image):
        return self.convolution(image)


@pytest.mark.parametrize('kind', [ShrinksTheImage, TakesChannelsApart])
@torch.no_grad()
def test_nothing_is_folded_where_it_would_be_wrong(kind, frames):
    network, plain = kind(), normalise(bgr_to_rgb=True)
    folded, before = copy.deepcopy(plain), copy.deepcopy(network.state_dict())
    folded.fold_into(network, torch.zeros(1, 3, 8, 8))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(folded(frames), plain(frames))
