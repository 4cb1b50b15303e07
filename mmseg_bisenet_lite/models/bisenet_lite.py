"""BiSeNetLite: MMSegmentation's BiSeNetV1 for any context backbone."""

import inspect
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.models.backbones.bisenetv1 import BiSeNetV1, FeatureFusionModule, SpatialPath
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_bisenet_lite.models.batch_norms import single_values_allowed, use_running_statistics
from mmseg_bisenet_lite.models.context_path import ContextPath
from mmseg_bisenet_lite.models.detail_fusion import DetailFusion
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.registry import parameters_of


@MODELS.register_module()
class BiSeNetLite(BiSeNetV1):
    """BiSeNetV1 whose settings reach every path and whose fusion fits any context backbone.

    With the same settings and weights, it has the outputs and the state-dict keys of ``BiSeNetV1``. It differs where
    ``BiSeNetV1`` ignores a setting or is wrong: ``conv_cfg``, ``norm_cfg`` and ``act_cfg`` reach every module of both paths and
    of the fusion, ``in_channels`` reaches the backbone, and the fusion module takes as many channels as the two paths give. The
    three settings also reach the backbone, unless ``backbone_cfg`` sets them or the backbone's default is of another kind: a
    backbone with layer norm or GELU keeps it.

    Args:
        backbone_cfg: Config of the context path's backbone, which returns four maps at strides 4, 8, 16 and 32.
        in_channels: Number of channels of the image, also for the backbone.
        spatial_channels: Numbers of channels of the spatial path's four layers; ``None`` is no spatial path: the backbone's map
            at 1/8 takes the place of its output.
        context_channels: Numbers of channels of the context path's output and of the backbone's maps at strides 16 and 32.
        out_indices: Indices of the maps to return, in (fused, context at 1/8, context at 1/16).
        align_corners: As in ``F.interpolate``.
        out_channels: Number of channels of the fused map at 1/8.
        detail_channels: Number of channels of a fused map at 1/4, which the backbone's map at 1/4 joins and which takes the
            place of the one at 1/8; ``None`` is no such map.
        conv_cfg: Config of the convolutions; ``None`` is ``Conv2d``.
        norm_cfg: Config of the normalisation layers.
        act_cfg: Config of the activation layers.
        frozen_stages: ``frozen_stages`` of the context path's backbone, as in MMSegmentation's ResNet: -1 freezes nothing, 0
            the stem, 1 to 4 also the stages of its first one to four maps.
        norm_eval: Whether all batch norms, of both paths and of the fusion, keep and use their running statistics in training
            too.
        init_cfg: Config of the initialisation, as in every MMEngine module.

    Shape:
        - Input: ``(N, in_channels, H, W)``, ``H`` and ``W`` at least 32, odd sizes too.
        - Output: ``(N, out_channels, ceil(H/8), ceil(W/8))``, ``(N, context_channels[0], ceil(H/8), ceil(W/8))``,
          ``(N, context_channels[0], ceil(H/16), ceil(W/16))``: the maps in ``out_indices``. With ``detail_channels`` the first
          one is ``(N, detail_channels, ceil(H/4), ceil(W/4))``.

    In training, a batch of one image gives the batch norms behind the global pools one value per channel; see
    :func:`~mmseg_bisenet_lite.models.batch_norms.single_values_allowed`.

    Raises:
        InputError: The backbone does not return the four maps, its channels do not match ``context_channels``, or it cannot be
            frozen.

    Source: BiSeNet, https://arxiv.org/abs/1808.00897; with ``LiteVGG``, the paper's Figure 1. A network without a spatial path:
    STDC, https://arxiv.org/abs/2104.13188.
    """

    def __init__(
        self,
        backbone_cfg: dict,
        in_channels: int = 3,
        spatial_channels: Sequence[int] | None = (64, 64, 64, 128),
        context_channels: Sequence[int] = (128, 256, 512),
        out_indices: Sequence[int] = (0, 1, 2),
        align_corners: bool = False,
        out_channels: int = 256,
        detail_channels: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict = dict(type='BN', requires_grad=True),
        act_cfg: dict = dict(type='ReLU'),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        BaseModule.__init__(self, init_cfg)  # not BiSeNetV1's, which would build the paths its own way
        if (spatial_channels is not None and len(spatial_channels) != 4) or len(context_channels) != 3:
            raise InputError(
                f'spatial_channels must be 4 numbers, or None, and context_channels 3, '
                f'not {spatial_channels!r} and {context_channels!r}'
            )
        if detail_channels is not None and detail_channels < 1:
            raise InputError(f'detail_channels={detail_channels!r}: give a number of channels, or None for no fused map at 1/4')
        self.out_indices = out_indices
        self.align_corners = align_corners
        self.norm_eval = norm_eval
        self.conv_cfg, self.norm_cfg, self.act_cfg = conv_cfg, norm_cfg, act_cfg
        cfgs: dict[str, Any] = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)

        backbone_cfg = _complete_backbone_cfg(backbone_cfg, in_channels, cfgs, frozen_stages)
        self.context_path = ContextPath(backbone_cfg, context_channels, align_corners, **cfgs)
        channels4, channels8, *_ = _check_backbone(self.context_path.backbone, in_channels, context_channels)
        self.spatial_path = None if spatial_channels is None else SpatialPath(in_channels, spatial_channels, **cfgs)
        spatial = channels8 if spatial_channels is None else spatial_channels[-1]
        self.ffm = FeatureFusionModule(spatial + context_channels[0], out_channels, **cfgs)
        self.detail_fusion = None if detail_channels is None else DetailFusion(channels4, out_channels, detail_channels, **cfgs)
        self.train()

    def train(self, mode: bool = True) -> 'BiSeNetLite':
        """Set the mode, except of the batch norms with ``norm_eval``."""
        super().train(mode)
        if self.norm_eval:
            use_running_statistics(self)
        return self

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        r"""Compute the paper's Figure 1, from left to right; the maps for the heads are on the right.

        ::

                   spatial path: 3 strided convolutions ------------ 1/8 --.
                  /                                                         >-- fusion -- fused, 1/8
            image                                      .-- refined -- 1/8 -'
                  \                                   /                `-------------- context, 1/8
                   context path: the backbone -- 1/16, 1/32 -- refined ----------------- context, 1/16

        Without a spatial path, the backbone's map at 1/8 goes into the fusion; with a detail fusion, its map at 1/4 is joined
        to the fused one.
        """
        with self._batch_of_one(image):
            context8, context16, (map4, map8, *_) = self.context_path(image)  # (N, context_channels[0], H/8, W/8), at 1/16
            spatial8 = map8 if self.spatial_path is None else self.spatial_path(image)  # (N, spatial_channels[-1], H/8, W/8)
            fused = self.ffm(spatial8, context8)  # (N, out_channels, H/8, W/8)
            if self.detail_fusion is not None:
                fused = self.detail_fusion(map4, fused)  # (N, detail_channels, H/4, W/4)
        maps = (fused, context8, context16)
        return tuple(maps[index] for index in self.out_indices)

    def _batch_of_one(self, image: Tensor) -> AbstractContextManager[None]:
        """Return the context to run the network in, since batch norms behind global pools cannot train on one image."""
        if not self.training or len(image) > 1:
            return nullcontext()
        height, width = image.shape[2:]
        if max(height, width) <= 16:
            raise InputError(
                f'a batch of one image of {width}x{height} leaves an auxiliary head one pixel, too few to train on; '
                'give larger crops, or train_dataloader.batch_size=2'
            )
        return single_values_allowed(self)


def _complete_backbone_cfg(backbone_cfg: dict, in_channels: int, cfgs: dict, frozen_stages: int) -> dict:
    """Return ``backbone_cfg`` with the image's channels, and with the settings that it omits and its class shares."""
    backbone_class = backbone_cfg.get('type')
    if isinstance(backbone_class, str):
        backbone_class = MODELS.get(backbone_class)
    if backbone_class is None:
        raise InputError(f'backbone_cfg: no backbone {backbone_cfg.get("type")!r} is registered; check its type')
    theirs, others = parameters_of(backbone_class)
    ours = inspect.signature(BiSeNetLite).parameters

    def same_kind(name: str) -> bool:
        default = theirs[name].default
        own = ours[name].default
        return default is inspect.Parameter.empty or (default and default['type']) == (own and own['type'])

    shared = {name: cfg for name, cfg in cfgs.items() if name in theirs and same_kind(name)}
    # Both paths take the same image, so an in_channels in backbone_cfg could only contradict it.
    image = {'in_channels': in_channels} if 'in_channels' in theirs else {}
    frozen = {} if frozen_stages == -1 else {'frozen_stages': frozen_stages}
    if frozen and 'frozen_stages' not in theirs and not others:
        raise InputError(f'frozen_stages={frozen_stages!r}: {backbone_class.__name__} has no frozen_stages; leave it out')
    if frozen and backbone_cfg.get('frozen_stages', frozen_stages) != frozen_stages:
        raise InputError('frozen_stages: backbone and backbone_cfg contradict each other; give one of them')
    return {**shared, **backbone_cfg, **image, **frozen}


@torch.no_grad()
def _check_backbone(backbone: nn.Module, in_channels: int, context_channels: Sequence[int]) -> list[int]:
    """Run the backbone once on a small image, to report a mismatch now and not as a convolution's error later.

    Returns:
        The numbers of channels of its four maps.
    """
    side = 64
    modes = [(module, module.training) for module in backbone.modules()]
    backbone.eval()  # a statement of its own, since ResNet's eval() returns None
    maps = backbone(torch.zeros(1, in_channels, side, side))
    for module, training in modes:
        module.training = training
    found = [(m.shape[1], side // m.shape[2]) for m in maps]
    if [stride for _, stride in found] != [4, 8, 16, 32] or [c for c, _ in found[2:]] != list(context_channels[1:]):
        raise InputError(
            f'{type(backbone).__name__} gives maps of (channels, stride) {found}; strides 4, 8, 16, 32 are needed, '
            f'with {context_channels[1]} and {context_channels[2]} channels (context_channels) in the last two'
        )
    return [channels for channels, _ in found]
