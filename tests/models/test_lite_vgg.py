import pytest
import torch
from mmseg.models.backbones import ResNet
from torch.utils.flop_counter import FlopCounterMode

from mmseg_bisenet_lite import LiteVGG
from mmseg_bisenet_lite.models.batch_norms import batch_norms
from mmseg_bisenet_lite.utils.errors import InputError


def test_parameters_are_the_papers():
    # Source: the paper's Table 1: 1,169,496 convolution weights and 1,936 of batch norm.
    parameters = dict(LiteVGG().named_parameters())
    weights = sum(p.numel() for p in parameters.values() if p.dim() == 4)
    assert weights == 1_169_496
    assert sum(p.numel() for p in parameters.values()) == 1_171_432


def test_multiplications_are_the_papers():
    # Source: the paper's Table 1: 14.1 GMAC at 1024x1024; it is proportional to the area.
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        LiteVGG()(torch.zeros(1, 3, 256, 256))
    assert counter.get_total_flops() / 2 * 16 / 1e9 == pytest.approx(14.1, abs=0.05)


@pytest.mark.parametrize('strided', [False, True])
@pytest.mark.parametrize('size', [(64, 64), (527, 952), (600, 600), (33, 65), (32, 32)])  # (height, width)
def test_maps_round_odd_sizes_up(size, strided):
    maps = LiteVGG(strided=strided).eval()(torch.zeros(1, 3, *size))
    expected = [(c, -(-size[0] // s), -(-size[1] // s)) for c, s in zip((32, 64, 128, 256), (4, 8, 16, 32), strict=True)]
    assert [tuple(m.shape[1:]) for m in maps] == expected


def test_widths_are_a_table():
    net = LiteVGG(in_channels=1, widths=((4,), (8, 8), (8, 8, 8), (16,), (24,)), norm_cfg=dict(type='GN', num_groups=2)).eval()
    assert [m.shape[1] for m in net(torch.zeros(1, 1, 64, 64))] == [8, 8, 16, 24] == list(net.out_channels)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())


def test_strides_take_the_place_of_pools():
    pooled, strided = LiteVGG(), LiteVGG(strided=True)
    assert list(strided.state_dict()) == list(pooled.state_dict())
    assert [[conv.conv.stride for conv in block] for block in strided.blocks] == [[(2, 2), (1, 1)]] * 5
    assert not any(isinstance(module, torch.nn.MaxPool2d) for module in strided.modules())
    # Each convolution has a quarter of the pixels, but the first one of a block pooled after it.
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        strided(torch.zeros(1, 3, 256, 256))
    firsts = sum(block[0].conv.weight.numel() * (128 >> number) ** 2 for number, block in enumerate(strided.blocks))
    others = sum(block[1].conv.weight.numel() * (128 >> number) ** 2 for number, block in enumerate(strided.blocks))
    assert counter.get_total_flops() / 2 == firsts + others


@pytest.mark.parametrize('strided', [False, True])
def test_shortcuts_are_around_the_convolutions_that_keep_the_shape(strided):
    """The sums written out; without pools the first convolution of a block has stride 2 and no shortcut."""
    torch.manual_seed(0)
    widths = ((4,), (8, 8), (8, 8, 8), (8, 16), (16, 16))
    net = LiteVGG(widths=widths, strided=strided, residual=True).eval()
    assert list(net.state_dict()) == list(LiteVGG(widths=widths, strided=strided).state_dict())
    x = image = torch.rand(2, 3, 64, 96)
    expected = []
    for number, block in enumerate(net.blocks):
        for place, out_channels in enumerate(widths[number]):
            first_of_stride_2 = strided and place == 0
            y = block[place](x)
            x = x + y if x.shape[1] == out_channels and not first_of_stride_2 else y
        if not strided:
            x = block[-1](x)
        expected.append(x)
    maps = net(image)
    assert all(torch.equal(each, wanted) for each, wanted in zip(maps, expected[1:], strict=True))
    plain = LiteVGG(widths=widths, strided=strided).eval()
    plain.load_state_dict(net.state_dict())
    assert not any(torch.equal(each, other) for each, other in zip(maps, plain(image), strict=True))


@pytest.mark.parametrize(
    'widths', [((8, 16),) * 4, ((8,), (), (8,), (8,), (8,)), ((8,), (0,), (8,), (8,), (8,)), (8, 16, 32, 64, 128)]
)
def test_a_wrong_table_is_refused(widths):
    with pytest.raises(ValueError, match='widths must be five rows'):
        LiteVGG(widths=widths)


@pytest.mark.parametrize('frozen', range(-1, 5))
@pytest.mark.parametrize('norm_eval', [False, True])
def test_what_is_frozen_is_frozen_as_in_resnet(frozen, norm_eval):
    """Of each network's stem and four stages, in the same modes."""
    ours = LiteVGG(frozen_stages=frozen, norm_eval=norm_eval)
    theirs = ResNet(18, norm_cfg=dict(type='BN'), frozen_stages=frozen, norm_eval=norm_eval)
    parts = [theirs.conv1, theirs.norm1], *([getattr(theirs, name)] for name in theirs.res_layers)
    for mode in (None, True, False, True):
        if mode is not None:
            ours.train(mode)
            theirs.train(mode)
        else:
            assert ours.training
        for block, part in zip(ours.blocks, parts, strict=True):
            their_norms = {norm.training for module in part for norm in batch_norms(module)}
            their_gradients = {p.requires_grad for module in part for p in module.parameters()}
            if mode is not None:  # a new ResNet's norms are not in their mode yet
                assert {norm.training for norm in batch_norms(block)} == their_norms
            assert {p.requires_grad for p in block.parameters()} == their_gradients


def test_frozen_blocks_do_not_change_in_training():
    torch.manual_seed(0)
    net = LiteVGG(frozen_stages=1)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0, weight_decay=0.1)
    sum(each.mean() for each in net(torch.randn(2, 3, 64, 64))).backward()
    optimizer.step()
    changed = {int(name.split('.')[1]) for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {2, 3, 4}


@pytest.mark.parametrize('frozen', [-2, 5, 1.5, True, None, '1'])
def test_stages_that_do_not_exist_are_named(frozen):
    with pytest.raises(InputError, match='give a whole number from -1'):
        LiteVGG(frozen_stages=frozen)
