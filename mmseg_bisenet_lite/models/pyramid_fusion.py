"""PyramidFusion: Fast-SCNN's pyramid of pools and fusion as a neck, for any backbone."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.models.backbones.fast_scnn import FeatureFusionModule
from mmseg.models.decode_heads.psp_head import PPM
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_bisenet_lite.models.batch_norms import single_values_allowed, use_running_statistics
from mmseg_bisenet_lite.utils.errors import InputError


@MODELS.register_module()
class PyramidFusion(BaseModule):
    """Fuse a backbone's map at 1/8 with its map at 1/32 and a pyramid of pools of that map.

    ::

        map, 1/8  ------------------------------------------------------------------- 1x1 ----.
                                                                                               + -- fused, 1/8
        map, 1/32 -.----------- joined -- 3x3 -.-- up-sampled, depth-wise 3x3, 1x1 -----------'
                    `-- pools --'               `------------------------------------------------- context, 1/32

    Args:
        in_channels: Numbers of channels of the backbone's maps at 1/8 and at 1/32.
        out_channels: Number of channels of the fused map, and of the context.
        pool_scales: Sides of the maps to which the map at 1/32 is pooled.
        norm_cfg: Config of the normalisation layers.
        norm_eval: Whether all batch norms keep and use their running statistics in training too.
        init_cfg: Config of the initialisation, as in every MMEngine module.

    Shape:
        - Input: four maps at strides 4, 8, 16 and 32, of which the second and the last are used.
        - Output: the fused map ``(N, out_channels, ceil(H/8), ceil(W/8))``, the context ``(N, out_channels, ceil(H/32),
          ceil(W/32))``, and the backbone's map at 1/8.

    In training, a batch of one image gives the batch norm behind the global pool one value per channel; see
    :func:`~mmseg_bisenet_lite.models.batch_norms.single_values_allowed`.

    Raises:
        InputError: ``in_channels`` are not two numbers, there are no pools or more than channels at 1/32, or, in ``forward``,
            the backbone's maps are not four or their numbers of channels are others than ``in_channels``.

    Source: Fast-SCNN, https://arxiv.org/abs/1902.04502, by MMSegmentation's modules; the pools are
    https://arxiv.org/abs/1612.01105.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 128,
        pool_scales: Sequence[int] = (1, 2, 3, 6),
        norm_cfg: dict = dict(type='BN'),
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(in_channels) != 2:
            raise InputError(f'in_channels={in_channels!r}: give two numbers, of the maps at 1/8 and 1/32')
        channels8, channels32 = self.in_channels = tuple(in_channels)
        if not 1 <= len(pool_scales) <= channels32:
            raise InputError(f'pool_scales={pool_scales!r}: give 1 to {channels32} numbers, since they share the map at 1/32')
        each = channels32 // len(pool_scales)
        cfgs = dict(conv_cfg=None, norm_cfg=norm_cfg, act_cfg=dict(type='ReLU'))
        self.pyramid = PPM(pool_scales, channels32, each, align_corners=False, **cfgs)
        self.context = ConvModule(channels32 + each * len(pool_scales), out_channels, kernel_size=3, padding=1, **cfgs)
        self.fusion = FeatureFusionModule(channels8, out_channels, out_channels, norm_cfg=norm_cfg)
        self.norm_eval = norm_eval
        self.train()

    def train(self, mode: bool = True) -> 'PyramidFusion':
        """Set the mode, except of the batch norms with ``norm_eval``."""
        super().train(mode)
        if self.norm_eval:
            use_running_statistics(self)
        return self

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the fused map, the context and the map at 1/8; see ``Shape``."""
        if len(maps) != 4 or (maps[1].shape[1], maps[3].shape[1]) != self.in_channels:
            raise InputError(
                f'PyramidFusion: the backbone gives maps of {[each.shape[1] for each in maps]} channels; four are needed, '
                f'the second and the last with {self.in_channels[0]} and {self.in_channels[1]} (in_channels)'
            )
        _, map8, _, map32 = maps
        with single_values_allowed(self) if self.training and len(map32) == 1 else nullcontext():
            context = self.context(torch.cat([map32, *self.pyramid(map32)], dim=1))
        return self.fusion(map8, context), context, map8
