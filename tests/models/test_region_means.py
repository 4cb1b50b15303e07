import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmseg_bisenet_lite.models.region_means import RegionMeans, replace_pools


@pytest.mark.parametrize('regions', [(1, 1), (2, 2), (3, 3), (6, 6), (2, 5)])
@pytest.mark.parametrize('size', [(12, 20), (6, 6), (5, 7), (1, 1), (2, 40)])  # (height, width)
def test_it_is_pytorchs_pool(regions, size):
    x = torch.randn(2, 3, *size, dtype=torch.float64).float()
    torch.testing.assert_close(RegionMeans(regions)(x), F.adaptive_avg_pool2d(x, regions))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_types_lose_nothing_by_it(dtype):
    x = torch.randn(1, 2, 12, 20).to(dtype)
    found = RegionMeans((6, 6))(x)
    assert found.dtype == dtype
    assert torch.equal(found, F.adaptive_avg_pool2d(x.float(), 6).to(dtype))


def test_one_graph_takes_maps_of_any_size():
    free = {0: None, 1: None, 2: torch.export.Dim('height', min=2, max=64), 3: torch.export.Dim('width', min=2, max=64)}
    program = torch.export.export(RegionMeans((6, 6)), (torch.randn(1, 4, 12, 20),), dynamic_shapes=(free,)).module()
    for size in ((12, 20), (3, 5), (23, 40)):
        x = torch.randn(1, 4, *size)
        torch.testing.assert_close(program(x), F.adaptive_avg_pool2d(x, 6))


def test_what_is_replaced():
    class Own(nn.AdaptiveAvgPool2d):
        """Whose forward may do anything."""

    kept = (
        Own(2),
        nn.AdaptiveAvgPool2d(None),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.AdaptiveAvgPool2d((None, 3)),
        nn.AvgPool2d(2),
    )
    module = nn.ModuleList([*kept, nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.ReLU()), nn.AdaptiveAvgPool2d([1, 2])])
    replace_pools(module)
    assert list(module[: len(kept)]) == list(kept)
    assert [each.regions for each in module.modules() if isinstance(each, RegionMeans)] == [(3, 3), (1, 2)]
