"""RegionMeans: an adaptive average pool that every exporter takes, for maps of any size."""

import torch
from torch import Tensor, nn


class RegionMeans(nn.Module):
    """``nn.AdaptiveAvgPool2d`` as two matrix products.

    Its exporters unroll the regions of one size of map, so files for any size of frame would be wrong or fail.

    Args:
        regions: Number of (rows, columns) of the output.

    Shape:
        - Input: ``(N, C, H, W)``, of any float type; the means are computed in float32.
        - Output: ``(N, C, *regions)``.
    """

    def __init__(self, regions: tuple[int, int]) -> None:
        super().__init__()
        self.regions = regions

    def forward(self, x: Tensor) -> Tensor:
        """Return the means of the regions; see ``Shape``."""
        (rows, columns), (height, width) = self.regions, x.shape[2:]
        return (_weights(rows, height, x.device) @ x.float() @ _weights(columns, width, x.device).T).to(x.dtype)


def _weights(regions: int, pixels: int, device: torch.device) -> Tensor:
    """Return the weight of each pixel in each region, ``(regions, pixels)``: neighbours share the pixel that a border cuts."""
    region = torch.arange(regions, device=device)[:, None]
    pixel = torch.arange(pixels, device=device)[None]
    first = region * pixels // regions
    end = ((region + 1) * pixels + regions - 1) // regions
    inside = (pixel >= first) & (pixel < end)
    return inside.float() / (end - first).float()


def replace_pools(module: nn.Module) -> None:
    """Replace the adaptive average pools to more than one region, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.AdaptiveAvgPool2d):
            size = child.output_size
            rows, columns = size if isinstance(size, tuple) else (size, size)
            if rows is not None and columns is not None and (rows, columns) != (1, 1):
                setattr(module, name, RegionMeans((rows, columns)))
        else:
            replace_pools(child)
