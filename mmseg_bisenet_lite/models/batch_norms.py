"""Batch norms: kept in inference mode or fed with one value per channel in training, folded for inference."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval


def use_running_statistics(module: nn.Module) -> None:
    """Put all batch norms of a module into inference mode."""
    for norm in batch_norms(module):
        norm.eval()


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Return the batch norms of a module, synchronised ones too."""
    return [each for each in module.modules() if isinstance(each, _BatchNorm)]


def fold_batch_norms(module: nn.Module) -> None:
    """Fold each batch norm that directly follows a convolution into it, in place, for inference.

    MMCV's ``fuse_conv_bn`` also folds batch norms that come before the convolution, as in DDRNet, which is wrong.
    """
    convolution: tuple[str, nn.Conv2d] | None = None  # the child before, by its name
    before = isinstance(module, ConvModule) and module.order.index('norm') < module.order.index('conv')
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            # CGNet's norm follows two convolutions, whose outputs are joined before it.
            if convolution is not None and not before and convolution[1].out_channels == child.num_features:
                setattr(module, convolution[0], fuse_conv_bn_eval(convolution[1], child))
                setattr(module, name, nn.Identity())
            convolution = None
        elif isinstance(child, nn.Conv2d):
            convolution = name, child
        else:
            convolution = None  # what comes between may not be linear
            fold_batch_norms(child)


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
