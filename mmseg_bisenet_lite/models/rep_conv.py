"""RepConv2d: a convolution with branches while it learns, and without them for inference."""

from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from mmseg_bisenet_lite.utils.errors import InputError


@MODELS.register_module()
class RepConv2d(nn.Conv2d):
    """``Conv2d`` that, with a 3x3 kernel, adds a 1x1 convolution and, where the shape stays, its input; each has a batch norm.

    A small network without skip connections learns more with these branches, and :meth:`merged` makes one convolution of
    them. Take it as ``conv_cfg=dict(type='mmseg.RepConv2d')``; on several GPUs with ``norm_cfg=dict(type='SyncBN')`` in it.
    Unless kernel, padding and dilation are 3, 1 and 1, and the padding is of zeros, it is ``Conv2d``. ``ConvModule``'s
    ``efficient_conv_bn_eval`` reads the weight alone, without the branches, so leave that off.

    Args:
        *args: Arguments of ``Conv2d``.
        norm_cfg: Config of the batch norms of the branches.
        **kwargs: Arguments of ``Conv2d``.

    Shape:
        As ``Conv2d``.

    Raises:
        InputError: ``norm_cfg`` is of no batch norm.

    Source: RepVGG, https://arxiv.org/abs/2101.03697; here the batch norm of ``ConvModule`` follows the sum.
    """

    def __init__(self, *args: Any, norm_cfg: dict = dict(type='BN'), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.has_branches = (self.kernel_size, self.padding, self.dilation) == ((3, 3), (1, 1), (1, 1))
        self.has_branches &= self.padding_mode == 'zeros'
        self.norm: Any = None
        self.point: Any = None
        self.skip: Any = None
        if self.has_branches:
            self.norm = _batch_norm(norm_cfg, self.out_channels)
            options: Any = dict(stride=self.stride, groups=self.groups, bias=False)
            point = nn.Conv2d(self.in_channels, self.out_channels, kernel_size=1, **options)
            self.point = nn.Sequential(point, _batch_norm(norm_cfg, self.out_channels))
            if self.in_channels == self.out_channels and self.stride == (1, 1):
                self.skip = _batch_norm(norm_cfg, self.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the branches."""
        if not self.has_branches:
            return super().forward(x)
        y = self.norm(self._conv_forward(x, self.weight, None)) + self.point(x)
        if self.skip is not None:
            y = y + self.skip(x)
        return y if self.bias is None else y + self.bias.view(-1, 1, 1)

    @torch.no_grad()
    def merged(self) -> nn.Conv2d:
        """Return the one convolution that gives the same in inference mode, with memory of its own."""
        kernel, shift = self.weight.clone(), None if self.bias is None else self.bias.clone()
        if self.has_branches:
            branches = [_fold(kernel, self.norm), _fold(F.pad(self.point[0].weight, (1, 1, 1, 1)), self.point[1])]
            if self.skip is not None:
                branches.append(_fold(self._identity(), self.skip))
            kernels, shifts = zip(*branches, strict=True)
            kernel, shift = torch.stack(kernels).sum(0), torch.stack([*shifts, *([] if shift is None else [shift])]).sum(0)
        options: Any = {name: getattr(self, name) for name in ('kernel_size', 'stride', 'padding', 'dilation', 'groups')}
        plain = nn.Conv2d(
            self.in_channels, self.out_channels, **options, bias=shift is not None, padding_mode=self.padding_mode
        )
        plain.weight = nn.Parameter(kernel, self.weight.requires_grad)
        if shift is not None:
            plain.bias = nn.Parameter(shift, self.weight.requires_grad)
        return plain.train(self.training)

    def _identity(self) -> Tensor:
        """Return the 3x3 kernel that gives its input, (out, in of a group, 3, 3)."""
        kernel = torch.zeros_like(self.weight)
        places = torch.arange(self.out_channels, device=kernel.device)
        kernel[places, places % kernel.shape[1], 1, 1] = 1
        return kernel


def merge_branches(module: nn.Module) -> None:
    """Put one convolution in the place of each :class:`RepConv2d` in a module, in place, for inference.

    One whose weight is computed anew in each pass, as by ``spectral_norm``, keeps its branches.
    """
    for name, child in module.named_children():
        if isinstance(child, RepConv2d) and 'weight' in child._parameters:
            setattr(module, name, child.merged())
        else:
            merge_branches(child)


def inference_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of a module without those of branches."""
    convolutions = [each for each in module.modules() if isinstance(each, RepConv2d)]
    branches = {id(parameter) for each in convolutions for child in each.children() for parameter in child.parameters()}
    return [parameter for parameter in module.parameters() if id(parameter) not in branches]


def _batch_norm(norm_cfg: dict, channels: int) -> _BatchNorm:
    _, norm = build_norm_layer(norm_cfg, channels)
    if not isinstance(norm, _BatchNorm):
        raise InputError(f'RepConv2d: norm_cfg={norm_cfg!r}: give a batch norm, such as BN or SyncBN; others cannot be folded')
    return norm


def _fold(kernel: Tensor, norm: Any) -> tuple[Tensor, Tensor]:
    """Return kernel and bias of a convolution with its batch norm folded into it."""
    return fuse_conv_bn_weights(kernel, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
