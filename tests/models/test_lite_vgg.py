import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mmseg_bisenet_lite import LiteVGG


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


@pytest.mark.parametrize('size', [(64, 64), (527, 952), (600, 600), (33, 65), (32, 32)])  # (height, width)
def test_maps_round_odd_sizes_up(size):
    maps = LiteVGG().eval()(torch.zeros(1, 3, *size))
    expected = [(c, -(-size[0] // s), -(-size[1] // s)) for c, s in zip((32, 64, 128, 256), (4, 8, 16, 32), strict=True)]
    assert [tuple(m.shape[1:]) for m in maps] == expected


def test_widths_are_a_table():
    net = LiteVGG(in_channels=1, widths=((4,), (8, 8), (8, 8, 8), (16,), (24,)), norm_cfg=dict(type='GN', num_groups=2)).eval()
    assert [m.shape[1] for m in net(torch.zeros(1, 1, 64, 64))] == [8, 8, 16, 24] == list(net.out_channels)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())


@pytest.mark.parametrize(
    'widths', [((8, 16),) * 4, ((8,), (), (8,), (8,), (8,)), ((8,), (0,), (8,), (8,), (8,)), (8, 16, 32, 64, 128)]
)
def test_a_wrong_table_is_refused(widths):
    with pytest.raises(ValueError, match='widths must be five rows'):
        LiteVGG(widths=widths)
