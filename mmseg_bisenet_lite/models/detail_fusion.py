"""DetailFusion: a fine map of the backbone joined to the fused map, before the head."""

from mmcv.cnn import ConvModule, build_activation_layer
from mmengine.model import BaseModule
from mmseg.models.utils import resize
from torch import Tensor


class DetailFusion(BaseModule):
    """Add a fine map to a coarse one, each after a 1x1 convolution; the coarse one is up-sampled.

    A head on it sees smaller things than one on the coarse map.

    Args:
        fine_channels: Number of channels of the fine map.
        coarse_channels: Number of channels of the coarse map.
        out_channels: Number of channels of the output.
        conv_cfg: Config of the convolutions; ``None`` is ``Conv2d``.
        norm_cfg: Config of the normalisation layers.
        act_cfg: Config of the activation after the sum.

    Shape:
        - Input: ``(N, fine_channels, H, W)`` and ``(N, coarse_channels, h, w)``.
        - Output: ``(N, out_channels, H, W)``.

    Source: the lateral connections of https://arxiv.org/abs/1612.03144, with one level.
    """

    def __init__(
        self,
        fine_channels: int,
        coarse_channels: int,
        out_channels: int,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        cfgs = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=None)
        self.fine = ConvModule(fine_channels, out_channels, kernel_size=1, **cfgs)
        self.coarse = ConvModule(coarse_channels, out_channels, kernel_size=1, **cfgs)
        self.activate = build_activation_layer(act_cfg)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Return the joined map; see ``Shape``."""
        # The convolution is first, since it makes the map to up-sample smaller.
        up = resize(self.coarse(coarse), size=fine.shape[2:], mode='nearest')
        return self.activate(self.fine(fine) + up)
