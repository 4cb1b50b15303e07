"""ContextPath: MMSegmentation's context path of BiSeNet, whose settings reach every module."""

from collections.abc import Sequence

from mmseg.models.backbones import bisenetv1
from mmseg.models.utils import resize
from torch import Tensor


class ContextPath(bisenetv1.ContextPath):
    """MMSegmentation's context path, with the same weights; its settings also reach the attention, which the host's drop.

    Args:
        backbone_cfg: Config of the backbone, which returns four maps at strides 4, 8, 16 and 32.
        context_channels: Numbers of channels of the output and of the backbone's maps at strides 16 and 32.
        align_corners: As MMSegmentation's takes it; without effect, since the maps are up-sampled by ``nearest``.
        conv_cfg: Config of the convolutions; ``None`` is ``Conv2d``.
        norm_cfg: Config of the normalisation layers.
        act_cfg: Config of the activation layers.

    Shape:
        - Input: ``(N, C, H, W)``.
        - Output: ``(N, context_channels[0], ceil(H/8), ceil(W/8))``, the same at 1/16, and the backbone's four maps.

    Source: BiSeNet, https://arxiv.org/abs/1808.00897.
    """

    def __init__(
        self,
        backbone_cfg: dict,
        context_channels: Sequence[int],
        align_corners: bool,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        cfgs = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        super().__init__(backbone_cfg, context_channels, align_corners, **cfgs)
        for name, channels in zip(('arm16', 'arm32'), context_channels[1:], strict=True):
            setattr(self, name, bisenetv1.AttentionRefinementModule(channels, context_channels[0], **cfgs))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        """Return the refined maps at 1/8 and 1/16, and the backbone's; see ``Shape``."""
        maps = self.backbone(image)
        _, map8, map16, map32 = maps
        refined32 = self.arm32(map32) + self.gap_conv(map32)
        context16 = self.conv_head32(resize(refined32, size=map16.shape[2:], mode='nearest'))
        refined16 = self.arm16(map16) + context16
        context8 = self.conv_head16(resize(refined16, size=map8.shape[2:], mode='nearest'))
        return context8, context16, maps
