"""AutoAmpOptimWrapper: train in the precision and memory format that are fastest on the device."""

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import Tensor, nn

from mmseg_bisenet_lite.utils import malloc
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.heads import unwrapped
from mmseg_bisenet_lite.utils.precision import PRECISIONS, has_arithmetic

# Name of a precision in configs -> its key in PRECISIONS.
DTYPES = {'float32': 'fp32', 'bfloat16': 'bf16', 'float16': 'fp16'}

# Convolutions with fewer output channels than this do not use channels last on CPUs. If the channels do not fill a vector,
# PyTorch's batch-norm gradient in channels last goes channel by channel there, 10 to 40 times as slowly, and maps of two
# channels are up-sampled half as fast. Source: measured with torch 2.13.0.
NARROW = 16


@OPTIM_WRAPPERS.register_module()
class AutoAmpOptimWrapper(OptimWrapper):
    """``OptimWrapper`` that makes a training step fast: mixed precision, channels last, compilation and kept memory.

    Weights, gradients and the optimiser stay in float32; the feature maps are in the lower precision (autocast). With
    ``DistributedDataParallel``, PyTorch warns once that strides do not match, because the memory format changes after its
    buckets were built; it rebuilds them after the first iteration.

    Args:
        dtype: Precision of the feature maps: ``'float32'``, ``'bfloat16'``, ``'float16'`` (which scales the loss), or
            ``'auto'``: bfloat16 if the device has arithmetic for it, else float16 on GPUs with tensor cores, else float32.
        channels_last: Whether convolutions use the channels-last memory format. On CPUs narrow convolutions do not, since they
            are faster without.
        compile: Whether to compile the backbone with ``torch.compile``; or a dict of arguments for ``torch.compile``.
        keep_memory: Whether to keep freed memory in the process on a CPU, see :func:`~mmseg_bisenet_lite.keep_memory`.
        loss_scale: Loss scale for float16: ``'dynamic'``, a fixed factor, or a dict of arguments for ``torch.amp.GradScaler``.
        **kwargs: Arguments of ``OptimWrapper``: ``optimizer``, ``accumulative_counts`` and ``clip_grad``. An unknown one is a
            ``TypeError``.

    Raises:
        InputError: ``dtype`` or ``loss_scale`` has another value, or ``dtype`` is float16 on a CPU.
    """

    def __init__(
        self,
        dtype: str | torch.dtype = 'auto',
        channels_last: bool = True,
        compile: bool | dict[str, Any] = False,
        keep_memory: bool = True,
        loss_scale: str | float | dict[str, Any] = 'dynamic',
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.device = next(p for group in self.optimizer.param_groups for p in group['params']).device
        self.dtype = amp_dtype(dtype, self.device)
        self.channels_last = channels_last
        self.compile = compile
        self.keep_memory = keep_memory
        self.fixed_scale = None if loss_scale == 'dynamic' or isinstance(loss_scale, dict) else _positive(loss_scale)
        options = loss_scale if isinstance(loss_scale, dict) else {'init_scale': self.fixed_scale or 2.0**16}
        with as_input_error(f'loss_scale={loss_scale!r}', TypeError, AssertionError):
            self.loss_scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16, **options)
        self._prepared: nn.Module | None = None

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Context of a forward pass; the first one prepares the model."""
        if self._prepared is not model:
            self._prepare(model)
            self._prepared = model
        lower = self.dtype is not torch.float32
        with super().optim_context(model), torch.autocast(self.device.type, self.dtype if lower else None, enabled=lower):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Back-propagate the loss; in float16 the loss is scaled."""
        super().backward(self.loss_scaler.scale(loss), **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Clip the gradients if asked to, and update the weights; in float16 skip the update if a gradient overflowed."""
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self.fixed_scale)

    def state_dict(self) -> dict:
        """Return the state of the optimiser, and in float16 the loss scale."""
        scale = {'loss_scaler': self.loss_scaler.state_dict()} if self.loss_scaler.is_enabled() else {}
        return {**super().state_dict(), **scale}

    def load_state_dict(self, state_dict: dict) -> None:
        """Load a state, also one that MMEngine's ``AmpOptimWrapper`` or another device wrote."""
        scale = state_dict.pop('loss_scaler', None)
        if scale:
            self.loss_scaler.load_state_dict(scale)
        super().load_state_dict(state_dict)

    def _prepare(self, model: nn.Module) -> None:
        if self.device.type == 'cpu' and self.keep_memory:
            malloc.keep_memory()
        if self.channels_last:
            narrow = NARROW if self.device.type == 'cpu' else 0
            for convolution in (module for module in model.modules() if isinstance(module, nn.Conv2d)):
                if convolution.out_channels >= narrow:
                    convolution.weight.data = convolution.weight.data.contiguous(memory_format=torch.channels_last)
                else:  # a channels-last input would make its output channels last too
                    convolution.register_forward_hook(_channel_by_channel)
        if self.compile:
            options = self.compile if isinstance(self.compile, dict) else {}
            unwrapped(model).backbone.compile(**options)  # the heads read labels from Python objects, which does not compile
        ways = [str(self.dtype).removeprefix('torch.')] + ['channels last'] * self.channels_last
        print_log(f'Training on {self.device.type}: {", ".join(ways + ["compiled"] * bool(self.compile))}', logger='current')


def _channel_by_channel(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    return output.contiguous()


def _positive(loss_scale: Any) -> float:
    if isinstance(loss_scale, bool) or not isinstance(loss_scale, int | float) or not 0 < loss_scale < math.inf:
        raise InputError(f"loss_scale={loss_scale!r}: give 'dynamic', a number above 0, or arguments of torch.amp.GradScaler")
    return float(loss_scale)


def amp_dtype(name: str | torch.dtype, device: torch.device) -> torch.dtype:
    """Return the dtype of the feature maps; for ``'auto'`` see :class:`AutoAmpOptimWrapper`.

    Raises:
        InputError: The name is unknown, or it is float16 on a CPU.
    """
    if name == 'auto':
        return _fastest(device)
    name = str(name).removeprefix('torch.')
    if name not in DTYPES:
        raise InputError(f"dtype={name!r}: choose from 'auto', {', '.join(map(repr, DTYPES))}")
    if name == 'float16' and device.type == 'cpu':
        raise InputError("dtype='float16': PyTorch trains in float16 on GPUs only; on a CPU use 'bfloat16'")
    return PRECISIONS[DTYPES[name]].dtype


@functools.cache
def _fastest(device: torch.device) -> torch.dtype:
    if device.type in ('cpu', 'cuda') and has_arithmetic(device, 'bf16'):
        return torch.bfloat16
    if device.type == 'cuda' and torch.version.cuda is not None and torch.cuda.get_device_capability(device) >= (7, 0):
        return torch.float16
    return torch.float32
