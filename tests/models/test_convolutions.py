import functools

import pytest
import torch
from mmcv.cnn import ConvModule
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from mmseg_bisenet_lite.models.batch_norms import batch_norms, fold_batch_norms
from mmseg_bisenet_lite.models.convolutions import first_convolutions, is_plain


class Network(nn.Module):
    """What an image goes through, as the features of a segmentor."""

    def __init__(self, run):
        super().__init__()
        self.first, self.second, self.later = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3)
        self.run = run

    def extract_feat(self, image):
        return self.run(self, image)


def two_paths(net, image):
    assert image.shape[1] == image.size(1) == 3  # reading the shape does not take the image
    return net.later(net.first(image).relu() + net.second(image))


def test_convolutions_that_take_the_image_are_found():
    net = Network(two_paths)
    assert first_convolutions(net, torch.zeros(1, 3, 8, 8)) == [net.first, net.second]


def test_they_are_found_where_a_library_has_wrapped_torchs_functions(monkeypatch):
    original = F.conv2d
    monkeypatch.setattr(F, 'conv2d', functools.wraps(original)(lambda *args, **kwargs: original(*args, **kwargs)))
    net = Network(two_paths)
    assert first_convolutions(net, torch.zeros(1, 3, 8, 8)) == [net.first, net.second]


@pytest.mark.parametrize(
    'run',
    [
        lambda net, image: net.first(image) + F.interpolate(net.second(F.max_pool2d(image, 2)), size=8),
        lambda net, image: net.first(image) + image,
        lambda net, image: net.first(image) + torch.cat([image, image])[:1],
        lambda net, image: net.first(image) * image.data.mean(),
        lambda net, image: net.first(net.first(image)),
        lambda net, image: F.conv2d(input=image, weight=net.first.weight),
        lambda net, image: F.conv2d(image, net.first.weight * 2),
    ],
)
def test_there_are_none_where_anything_else_takes_the_image(run):
    assert first_convolutions(Network(run), torch.zeros(1, 3, 8, 8)) == []


OTHERS = [
    lambda: spectral_norm(nn.Conv2d(3, 3, 3)),
    lambda: weight_norm(nn.Conv2d(3, 3, 3)),
    lambda: parametrizations.weight_norm(nn.Conv2d(3, 3, 3)),
    lambda: ConvModule(3, 3, 3, conv_cfg=dict(type='ConvWS')).conv,
]


@pytest.mark.filterwarnings('ignore::FutureWarning')
@pytest.mark.parametrize('make', OTHERS)
@torch.no_grad()
def test_convolutions_that_change_their_weights_are_left_alone(make):
    net = Network(two_paths)
    net.second = make()
    assert not is_plain(net.second)
    net.first.padding = 0
    assert first_convolutions(net, torch.zeros(1, 3, 8, 8)) == []
    module = nn.Sequential(make(), nn.BatchNorm2d(3)).eval()
    fold_batch_norms(module)
    assert len(batch_norms(module)) == 1


@pytest.mark.parametrize('module', [None, nn.Conv1d(3, 3, 1), nn.Linear(3, 3)])
def test_other_modules_are_not_plain(module):
    assert not is_plain(module)
