"""An optimiser wrapper that trains as the device does it fastest: mixed precision and memory formats."""

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import Tensor, nn

from mmseg_bisenet_lite.utils import malloc
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.precision import PRECISIONS, has_arithmetic

# Their names in configs, and in PRECISIONS.
DTYPES = {'float32': 'fp32', 'bfloat16': 'bf16', 'float16': 'fp16'}

# On CPUs PyTorch computes the gradient of a batch norm, channels last, channel by channel where these do not fill a vector: ten
# to forty times as slowly, and enlarges maps of two channels half as fast. Convolutions into fewer channels than this
# stay as they are, and so do their maps. Source: measured with torch 2.13.0.
NARROW = 16


@OPTIM_WRAPPERS.register_module()
class AutoAmpOptimWrapper(OptimWrapper):
    """``OptimWrapper`` with what makes a training step fast, where the device has it.

    Weights, gradients and the optimiser stay in float32; the maps of the network are in the lower precision (autocast). Under
    ``DistributedDataParallel`` PyTorch warns once that strides do not match, as the layout changes after its buckets were made;
    it makes them anew after the first iteration.

    Args:
        dtype: ``'auto'`` is bfloat16 where the device has arithmetic for it, else float16 on GPUs with tensor cores, else
            float32; or one of ``'float32'``, ``'bfloat16'`` and ``'float16'``. float16 scales the loss.
        channels_last: Whether convolutions work on maps whose channels lie side by side. On CPUs narrow ones do not, which are
            faster otherwise.
        compile: Whether the backbone is compiled by ``torch.compile``, or the arguments of that.
        keep_memory: Whether on a CPU freed memory stays with the process, see :func:`~mmseg_bisenet_lite.keep_memory`.
        loss_scale: For float16: ``'dynamic'``, a fixed factor, or arguments of ``torch.amp.GradScaler``.
        **kwargs: ``OptimWrapper``'s arguments: ``optimizer``, ``accumulative_counts`` and ``clip_grad``; an unknown one is an
            error there.

    Raises:
        InputError: ``dtype`` or ``loss_scale`` is something else, or ``dtype`` is float16 on a CPU.
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
        """The context of the forward pass; the first one prepares the model."""
        if self._prepared is not model:
            self._prepare(model)
            self._prepared = model
        lower = self.dtype is not torch.float32
        with super().optim_context(model), torch.autocast(self.device.type, self.dtype if lower else None, enabled=lower):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Propagate the loss back, scaled in float16."""
        super().backward(self.loss_scaler.scale(loss), **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Clip the gradients if that is wanted, and update the weights; in float16 not if a gradient overflowed."""
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self.fixed_scale)

    def state_dict(self) -> dict:
        """The optimiser's, and in float16 the scale of the loss."""
        scale = {'loss_scaler': self.loss_scaler.state_dict()} if self.loss_scaler.is_enabled() else {}
        return {**super().state_dict(), **scale}

    def load_state_dict(self, state_dict: dict) -> None:
        """Also what MMEngine's ``AmpOptimWrapper`` wrote, or this one on another device."""
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
                else:  # its input may be channels last, that of a score map say, and its map would be too
                    convolution.register_forward_hook(_channel_by_channel)
        if self.compile:
            options = self.compile if isinstance(self.compile, dict) else {}
            _unwrapped(model).backbone.compile(**options)  # the heads read labels out of Python objects
        ways = [str(self.dtype).removeprefix('torch.')] + ['channels last'] * self.channels_last
        print_log(f'Training on {self.device.type}: {", ".join(ways + ["compiled"] * bool(self.compile))}', logger='current')


def _channel_by_channel(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    return output.contiguous()


def _unwrapped(model: Any) -> Any:
    """The segmentor inside ``DistributedDataParallel`` and the like."""
    return _unwrapped(model.module) if is_model_wrapper(model) else model


def _positive(loss_scale: Any) -> float:
    if isinstance(loss_scale, bool) or not isinstance(loss_scale, int | float) or not 0 < loss_scale < math.inf:
        raise InputError(f"loss_scale={loss_scale!r}: give 'dynamic', a number above 0, or arguments of torch.amp.GradScaler")
    return float(loss_scale)


def amp_dtype(name: str | torch.dtype, device: torch.device) -> torch.dtype:
    """The type of the maps in mixed precision; ``'auto'`` as described in :class:`AutoAmpOptimWrapper`.

    Raises:
        InputError: There is no such type, or it is float16 on a CPU.
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
