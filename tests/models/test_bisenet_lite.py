import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.models.backbones import BiSeNetV1
from torch.utils.flop_counter import FlopCounterMode

from mmseg_bisenet_lite import BiSeNetLite
from mmseg_bisenet_lite.models.batch_norms import batch_norms, single_values_allowed
from mmseg_bisenet_lite.models.bisenet_lite import _check_backbone
from mmseg_bisenet_lite.utils.errors import InputError

R18 = dict(type='ResNet', depth=18, num_stages=4, out_indices=(0, 1, 2, 3), norm_cfg=dict(type='BN'), contract_dilation=True)
LITE = dict(backbone_cfg=dict(type='LiteVGG'), context_channels=(128, 128, 256))
STRIDED = dict(type='LiteVGG', widths=((8,), (16,), (24, 24), (32,), (40,)), strided=True)
SMALL = dict(backbone_cfg=STRIDED, spatial_channels=None, context_channels=(12, 32, 40), out_channels=20, detail_channels=10)


def test_equals_bisenetv1_with_resnet18():
    torch.manual_seed(0)
    theirs = BiSeNetV1(backbone_cfg=R18).eval()
    ours = BiSeNetLite(backbone_cfg=R18).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(1, 3, 97, 130)
    for a, b in zip(ours(image), theirs(image), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(('settings', 'gmac'), [(LITE, 34.4), (dict(backbone_cfg=R18), 59.1)])
def test_multiplications_of_the_whole_network(settings, gmac):
    # Source: the paper's facts: 34.4 and 59.1 GMAC at 1024x1024 with the main head's 3x3 convolution of 256 channels
    # and its classifier; they are proportional to the area.
    net = BiSeNetLite(**settings).eval()
    head = torch.nn.Sequential(torch.nn.Conv2d(256, 256, 3, padding=1), torch.nn.Conv2d(256, 2, 1))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        head(net(torch.zeros(1, 3, 256, 256))[0])
    assert counter.get_total_flops() / 2 * 16 / 1e9 == pytest.approx(gmac, abs=0.05)


@pytest.fixture(scope='module')
def lite():
    return BiSeNetLite(**LITE).eval()


@pytest.mark.parametrize('size', [(527, 952), (600, 600), (33, 65), (32, 32)])  # (height, width)
def test_sizes_of_the_issue(lite, size):
    check_shapes(lite, *size)


@settings(max_examples=20)
@given(height=st.integers(32, 200), width=st.integers(32, 200))
def test_any_size_from_32_on(lite, height, width):
    check_shapes(lite, height, width)


def check_shapes(net, height, width):
    with torch.no_grad():
        fused, context8, context16 = net(torch.zeros(1, 3, height, width))
    eighth, sixteenth = (-(-height // 8), -(-width // 8)), (-(-height // 16), -(-width // 16))
    assert fused.shape == (1, 256, *eighth)
    assert context8.shape == (1, 128, *eighth)
    assert context16.shape == (1, 128, *sixteenth)


@settings(max_examples=20)
@given(height=st.integers(32, 200), width=st.integers(32, 200))
def test_with_details_the_fused_map_is_at_a_quarter(small, height, width):
    with torch.no_grad():
        fused, context8, context16 = small(torch.zeros(1, 3, height, width))
    quarter, eighth, sixteenth = ((-(-height // s), -(-width // s)) for s in (4, 8, 16))
    assert fused.shape == (1, 10, *quarter)
    assert context8.shape == (1, 12, *eighth)
    assert context16.shape == (1, 12, *sixteenth)


@pytest.fixture(scope='module')
def small():
    torch.manual_seed(0)
    return BiSeNetLite(**SMALL).eval()


@torch.no_grad()
def test_without_a_spatial_path_the_backbones_maps_are_fused(small):
    """Against the modules, called one after another on the maps of the backbone."""
    assert not any('spatial_path' in name for name in small.state_dict())
    image = torch.randn(1, 3, 70, 98)
    map4, map8, *_ = small.context_path.backbone(image)
    context8, *_ = small.context_path(image)
    fused8 = small.ffm(map8, context8)
    detail = small.detail_fusion
    up = torch.nn.functional.interpolate(detail.coarse.conv(fused8), size=map4.shape[2:], mode='nearest')
    expected = torch.relu(detail.fine.conv(map4) + up)
    assert torch.allclose(small(image)[0], expected, atol=1e-4)  # new batch norms multiply by 1 / sqrt(1 + 1e-5)


def test_every_weight_of_a_small_network_is_trained():
    net = BiSeNetLite(**SMALL)
    sum(each.square().mean() for each in net(torch.randn(2, 3, 64, 64))).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


R18_PLAIN = {key: value for key, value in R18.items() if key != 'norm_cfg'}


# ResNetV1c takes **kwargs, and hands them on to ResNet.
@pytest.mark.parametrize('backbone', [dict(type='LiteVGG'), R18_PLAIN, {**R18_PLAIN, 'type': 'ResNetV1c'}])
def test_settings_reach_every_path(backbone):
    net = BiSeNetLite(
        backbone_cfg=backbone,
        in_channels=4,
        context_channels=(32, 128, 256) if backbone['type'] == 'LiteVGG' else (32, 256, 512),
        norm_cfg=dict(type='GN', num_groups=4),
        conv_cfg=dict(type='ConvWS'),
        act_cfg=dict(type='LeakyReLU'),
    )
    kinds = {type(module).__name__ for module in net.modules()}
    assert 'GroupNorm' in kinds
    assert not kinds & {'BatchNorm2d', 'Conv2d'}
    for path in (net.context_path.arm16, net.spatial_path, net.ffm):
        assert any(isinstance(m, torch.nn.LeakyReLU) for m in path.modules())
        assert not any(isinstance(m, torch.nn.ReLU) for m in path.modules())
    assert net.ffm.conv1.in_channels == 128 + 32
    assert net.eval()(torch.zeros(1, 4, 64, 64))[0].shape == (1, 256, 8, 8)


def test_nested_settings_win_but_for_the_image():
    net = BiSeNetLite(**{**LITE, 'backbone_cfg': dict(type='LiteVGG', in_channels=3, norm_cfg=dict(type='IN'))}, in_channels=1)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.context_path.backbone.modules())
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in net.spatial_path.modules())
    assert net.context_path.backbone.blocks[0][0].in_channels == 1


def test_other_backbones_fit():
    stdc = dict(
        type='STDCNet',
        stdc_type='STDCNet1',
        in_channels=3,
        channels=(32, 64, 256, 512, 1024),
        bottleneck_type='cat',
        num_convs=4,
    )
    with pytest.raises(ValueError, match='STDCNet gives maps'):  # it has three maps, at 1/8, 1/16 and 1/32
        BiSeNetLite(backbone_cfg=stdc, context_channels=(128, 512, 1024))
    mit = dict(type='MixVisionTransformer', embed_dims=32, num_stages=4, num_layers=[1] * 4, num_heads=[1, 2, 4, 8])
    net = BiSeNetLite(backbone_cfg=mit, context_channels=(128, 128, 256)).eval()
    assert net(torch.zeros(1, 3, 64, 96))[0].shape == (1, 256, 8, 12)


@pytest.mark.parametrize('changed', [dict(spatial_channels=(64, 64, 128)), dict(context_channels=(128, 256))])
def test_wrong_numbers_of_layers_are_named(changed):
    with pytest.raises(InputError, match='spatial_channels must be 4 numbers, or None, and context_channels 3'):
        BiSeNetLite(**LITE | changed)


def test_a_fused_map_at_a_quarter_needs_channels():
    with pytest.raises(InputError, match='detail_channels=0: give a number of channels, or None'):
        BiSeNetLite(**SMALL | dict(detail_channels=0))


def test_wrong_context_channels_are_named():
    with pytest.raises(ValueError, match=r'LiteVGG gives maps of .*\(256, 32\).* with 256 and 512 channels'):
        BiSeNetLite(backbone_cfg=dict(type='LiteVGG'))


def test_the_check_leaves_no_trace():
    net = BiSeNetLite(**LITE)
    assert all(module.training for module in net.modules())
    assert all((m.running_mean == 0).all() for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    state = torch.get_rng_state()
    _check_backbone(net.context_path.backbone, 3, (128, 128, 256))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('backbone', [dict(type='Absent'), dict(depth=18)])
def test_an_unknown_backbone_is_named(backbone):
    with pytest.raises(ValueError, match=f'no backbone {backbone.get("type")!r}'):
        BiSeNetLite(backbone_cfg=backbone)


def frozen(module):
    return not any(p.requires_grad for p in module.parameters()) and not any(norm.training for norm in batch_norms(module))


@pytest.mark.parametrize(
    ('settings', 'stem', 'stage'), [(LITE, 'blocks.0', 'blocks.1'), (dict(backbone_cfg=R18), 'conv1', 'layer1')]
)
def test_stages_of_the_context_backbone_are_frozen(settings, stem, stage):
    net = BiSeNetLite(**settings, frozen_stages=1).train()
    backbone = net.context_path.backbone
    assert frozen(backbone.get_submodule(stem))
    assert frozen(backbone.get_submodule(stage))
    assert not frozen(backbone.get_submodule(stage.replace('1', '2')))
    assert not frozen(net.spatial_path)
    assert net.training


def test_batch_norms_can_keep_their_statistics_in_training():
    net = BiSeNetLite(**LITE, norm_eval=True)
    for _ in range(2):
        assert net.training
        assert not any(norm.training for norm in batch_norms(net))
        assert all(p.requires_grad for p in net.parameters())
        net.eval().train()


def test_what_cannot_be_frozen_is_named():
    with pytest.raises(InputError, match='frozen_stages=9: give a whole number from -1'):
        BiSeNetLite(**LITE, frozen_stages=9)
    with pytest.raises(InputError, match='contradict each other'):
        BiSeNetLite(dict(type='LiteVGG', frozen_stages=1), context_channels=(128, 128, 256), frozen_stages=2)
    with pytest.raises(InputError, match='STDCNet has no frozen_stages; leave it out'):
        BiSeNetLite(dict(type='STDCNet'), frozen_stages=1)


@pytest.mark.parametrize('kind', ['BN', 'SyncBN', 'GN'])
@pytest.mark.parametrize('size', [(64, 96), (32, 32), (17, 20)])
def test_a_batch_of_one_image_trains_the_whole_network(kind, size):
    torch.manual_seed(0)
    norm = dict(type=kind, num_groups=4) if kind == 'GN' else dict(type=kind)
    net = BiSeNetLite(**LITE, norm_cfg=norm)
    before = {name: value.clone() for name, value in net.named_buffers()}
    (net(torch.randn(1, 3, *size))[0] * torch.randn(1, 256, 1, 1)).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert all(norm.training for norm in batch_norms(net))
    pooled = ('gap_conv.', 'atten')  # one value per channel has no statistics
    unchanged = {name for name, value in net.named_buffers() if torch.equal(value, before[name])}
    assert all(any(part in name for part in pooled) or min(size) <= 32 for name in unchanged)
    if kind != 'GN' and size == (64, 96):
        assert len(unchanged) == 3 * 4  # mean, variance and number of batches of four norms
        weights = {name: p.grad for name, p in net.named_parameters() if any(part in name for part in pooled)}
        assert all(gradient.abs().max() > 0 for name, gradient in weights.items() if name.endswith('conv.weight'))


def test_batch_norms_of_one_value_use_their_running_statistics():
    torch.manual_seed(0)
    net = BiSeNetLite(**LITE)
    for norm in batch_norms(net):
        torch.nn.init.uniform_(norm.running_mean)
    gap = net.context_path.gap_conv
    before = gap[1].bn.running_mean.clone()
    with single_values_allowed(net):
        one = gap(maps := torch.randn(1, 256, 4, 4))
        two = gap(torch.cat([maps, torch.randn_like(maps)]))  # in the same context, with its own statistics
    assert not torch.allclose(two[:1], one)
    gap[1].bn.reset_running_stats()
    gap[1].bn.running_mean.copy_(before)
    assert torch.equal(one, gap.eval()(maps))
    gap.train()
    with pytest.raises(ValueError, match='more than 1 value per channel'):
        gap(maps)


def test_frozen_batch_norms_stay_so_with_one_image():
    net = BiSeNetLite(**LITE, norm_eval=True)
    net(torch.randn(1, 3, 64, 64))
    assert not any(norm.training for norm in batch_norms(net))


def test_an_image_that_leaves_the_heads_one_pixel_is_named():
    net = BiSeNetLite(**LITE)
    with pytest.raises(InputError, match='a batch of one image of 16x9 leaves an auxiliary head one pixel'):
        net(torch.randn(1, 3, 9, 16))
    net(torch.randn(2, 3, 9, 16))
