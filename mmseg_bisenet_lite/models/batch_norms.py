"""Batch norms: kept in inference mode or fed with one value per channel in training, folded for inference."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mmseg_bisenet_lite.models.convolutions import is_plain
from mmseg_bisenet_lite.models.rep_conv import merge_branches


def use_running_statistics(module: nn.Module) -> None:
    """Put all batch norms of a module into inference mode."""
    for norm in batch_norms(module):
        norm.eval()


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Return the batch norms of a module, synchronised ones too."""
    return [each for each in module.modules() if isinstance(each, _BatchNorm)]


def fold_batch_norms(module: nn.Module) -> None:
    """Fold each batch norm that directly follows a convolution into it, in place, for inference; merge its branches first.

    MMCV's ``fuse_conv_bn`` also folds batch norms that come before the convolution, as in DDRNet, which is wrong.
    """
    merge_branches(module)
    _fold(module)


def _fold(module: nn.Module) -> None:
    last: tuple[nn.Module, str] | None = None  # the convolution before a child, by its owner and name there
    apart = isinstance(module, ConvModule) and module.order.index('norm') != module.order.index('conv') + 1
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            if last is not None and not apart:
                owner, place = last
                convolution = getattr(owner, place)
                if convolution.out_channels == child.num_features:  # CGNet's norm follows two that are joined before it
                    setattr(owner, place, fuse_conv_bn_eval(convolution, child))
                    setattr(module, name, nn.Identity())
            last = None
        elif is_plain(child):
            last = module, name
        else:
            _fold(child)
            # What comes between may not be linear, but DDRNet's heads have modules that end with a convolution.
            ends = isinstance(child, ConvModule) and child.order[-1] == 'conv' and is_plain(child.conv)
            last = (child, 'conv') if ends else None


@contextmanager
def single_values_allowed(module: nn.Module) -> Iterator[None]:
    """Let batch norms in training take one value per channel: they use their running statistics for it.

    A global pool gives one value per channel and image, whose mean over a batch of one image is the value itself: PyTorch
    refuses it, and the normalised value would be 0, whatever the image. The running statistics do not change by it. A
    synchronised batch norm that sees other processes' values is left alone.
    """
    switched: list[nn.Module] = []

    def before(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if norm.training and inputs[0].numel() == inputs[0].shape[1] and not _sees_other_processes(norm):
            norm.eval()
            switched.append(norm)

    def after(norm: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if norm in switched:
            norm.train()

    norms = batch_norms(module)
    hooks = [norm.register_forward_pre_hook(before) for norm in norms] + [norm.register_forward_hook(after) for norm in norms]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for norm in switched:  # also if the pass has failed
            norm.train()


def _sees_other_processes(norm: nn.Module) -> bool:
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return distributed and isinstance(norm, nn.SyncBatchNorm) and torch.distributed.get_world_size(norm.process_group) > 1
