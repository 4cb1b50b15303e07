"""RegionMeans: an adaptive average pool for exported graphs."""

import torch
from torch import Tensor, nn


class RegionMeans(nn.Module):
    """``nn.AdaptiveAvgPool2d`` as two matrix products.

    Exporters unroll the regions of ``nn.AdaptiveAvgPool2d`` for one size of map: into dozens of sums, each rounded in int8, and
    files for frames of any size fail or give wrong masks.

    Args:
        regions: Number of (rows, columns) of the output.

    Shape:
        - Input: ``(N, C, H, W)``, of any float type; the means are computed in float32, where the runtime keeps types.
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
    # Whether the pixel and the region overlap, in units of 1 / (regions * pixels) of the side.
    inside = ((region * pixels < (pixel + 1) * regions) & (pixel * regions < (region + 1) * pixels)).float()
    return inside / inside.sum(dim=1, keepdim=True)


def replace_pools(module: nn.Module) -> None:
    """Replace the adaptive average pools to more than one region, in place."""
    for name, child in module.named_children():
        if type(child) is nn.AdaptiveAvgPool2d:
            size = child.output_size
            rows, columns = (size, size) if isinstance(size, int) or size is None else size
            if rows is not None and columns is not None and (rows, columns) != (1, 1):
                setattr(module, name, RegionMeans((rows, columns)))
        else:
            replace_pools(child)
