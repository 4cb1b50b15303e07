import pytest
import torch
from mmcv.cnn import ConvModule
from mmengine.registry import DefaultScope
from torch import nn
from torch.nn.utils import spectral_norm

from mmseg_bisenet_lite.models import RepConv2d
from mmseg_bisenet_lite.models.batch_norms import batch_norms, fold_batch_norms
from mmseg_bisenet_lite.models.rep_conv import inference_parameters, merge_branches
from mmseg_bisenet_lite.utils.errors import InputError

REP = dict(type='mmseg.RepConv2d')


@torch.no_grad()
def as_if_trained(module):
    for norm in batch_norms(module):
        for value, low in ((norm.weight, 0.5), (norm.running_var, 0.5), (norm.bias, -0.5), (norm.running_mean, -0.5)):
            value.copy_(torch.rand_like(value) + low)
    return module.double().eval()


def branches(x, conv):
    """RepVGG's definition, in its own words."""
    y = conv.norm(nn.functional.conv2d(x, conv.weight, None, conv.stride, 1, 1, conv.groups))
    y = y + conv.point[1](nn.functional.conv2d(x, conv.point[0].weight, None, conv.stride, 0, 1, conv.groups))
    if conv.in_channels == conv.out_channels and conv.stride == (1, 1):
        y = y + conv.skip(x)
    return y if conv.bias is None else y + conv.bias[:, None, None]


@torch.no_grad()
@pytest.mark.parametrize('channels', [(6, 6), (6, 8)])
@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('groups', [1, 2])
@pytest.mark.parametrize('bias', [True, False])
def test_it_is_the_sum_of_its_branches_and_one_convolution(channels, stride, groups, bias):
    conv = as_if_trained(RepConv2d(*channels, 3, stride=stride, padding=1, groups=groups, bias=bias))
    assert (conv.skip is not None) == (channels == (6, 6) and stride == 1)
    x = torch.randn(2, 6, 9, 7, dtype=torch.float64)
    merged = conv.merged()
    assert type(merged) is nn.Conv2d
    torch.testing.assert_close(conv(x), branches(x, conv), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(merged(x), branches(x, conv), rtol=1e-12, atol=1e-12)
    assert not merged.training
    assert merged.weight.requires_grad
    assert not conv.requires_grad_(False).merged().weight.requires_grad


@torch.no_grad()
@pytest.mark.parametrize(
    'options',
    [
        dict(kernel_size=1),
        dict(kernel_size=3),
        dict(kernel_size=5, padding=2),
        dict(kernel_size=3, padding=2, dilation=2),
        dict(kernel_size=3, padding=1, padding_mode='reflect'),
    ],
)
def test_another_kernel_has_no_branches(options):
    conv = RepConv2d(4, 4, **options)
    plain = nn.Conv2d(4, 4, **options)
    assert conv.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(1, 4, 9, 7)
    assert torch.equal(conv(x), plain(x))
    merged = conv.merged()
    assert torch.equal(merged(x), plain(x))
    merged.weight.zero_()
    assert conv.weight.any()  # it has memory of its own


@torch.no_grad()
def test_a_weight_that_is_computed_anew_keeps_its_branches():
    module = nn.Sequential(
        spectral_norm(as_if_trained(RepConv2d(4, 4, 3, padding=1)).float()), RepConv2d(4, 4, 3, padding=1)
    ).eval()
    x = torch.randn(1, 4, 9, 7)
    expected = module(x)
    merge_branches(module)
    assert [type(each) for each in module] == [RepConv2d, nn.Conv2d]
    torch.testing.assert_close(module(x), expected)


def test_branches_are_not_counted():
    plain = ConvModule(4, 4, 3, padding=1, norm_cfg=dict(type='BN'))
    module = ConvModule(4, 4, 3, padding=1, conv_cfg=REP, norm_cfg=dict(type='BN'))
    assert sum(each.numel() for each in inference_parameters(module)) == sum(each.numel() for each in plain.parameters())


def test_each_branch_learns():
    conv = RepConv2d(4, 4, 3, padding=1)
    conv(torch.randn(2, 4, 9, 7)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in conv.parameters())
    with pytest.raises(InputError, match='give a batch norm'):
        RepConv2d(4, 4, 3, padding=1, norm_cfg=dict(type='GN', num_groups=2))


@torch.no_grad()
@pytest.mark.parametrize('scope', [None, 'mmseg'])
def test_mmcvs_module_takes_it_and_folds(scope, monkeypatch):
    """In a program that has set no default scope too."""
    monkeypatch.setattr(DefaultScope, 'get_current_instance', lambda: scope and DefaultScope('any', scope_name=scope))
    module = ConvModule(4, 4, 3, padding=1, conv_cfg={**REP, 'norm_cfg': dict(type='BN')}, norm_cfg=dict(type='BN'))
    module.init_weights()
    module = as_if_trained(module)
    assert isinstance(module.conv, RepConv2d)
    assert module.conv.bias is None
    x = torch.randn(1, 4, 9, 7, dtype=torch.float64)
    expected = module(x)
    fold_batch_norms(module)
    assert type(module.conv) is nn.Conv2d
    assert not batch_norms(module)
    torch.testing.assert_close(module(x), expected, rtol=1e-12, atol=1e-12)
