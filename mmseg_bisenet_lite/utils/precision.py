"""Precisions, and which device has arithmetic for them."""

import functools
import platform
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Precision:
    """How numbers are stored and multiplied.

    Attributes:
        dtype: Type of the weights and of every feature map.
        tf32: Whether NVIDIA's tensor cores may round the factors of float32 products to 10 bits, which is PyTorch's default for
            convolutions. ``fp32`` does not round, since the paper's devices could not.
    """

    dtype: torch.dtype
    tf32: bool = False


PRECISIONS = {
    'fp32': Precision(torch.float32),
    'tf32': Precision(torch.float32, tf32=True),
    'bf16': Precision(torch.bfloat16),
    'fp16': Precision(torch.float16),
}


@functools.cache
def has_arithmetic(device: torch.device, name: str) -> bool:
    """Whether a device computes in a precision (a key of ``PRECISIONS``) instead of emulating it."""
    if name == 'fp32':
        return True
    if name == 'tf32':
        return device.type == 'cuda' and torch.version.cuda is not None and torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == 'cuda':
        return name == 'fp16' or torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == 'cpu':
        # oneDNN's answer; for bfloat16 on x86 it is also yes where oneDNN only emulates it.
        native = torch.backends.mkldnn.is_available() and getattr(torch.ops.mkldnn, f'_is_mkldnn_{name}_supported')()
        if name == 'bf16' and platform.machine().lower() in ('x86_64', 'amd64'):
            return native and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
        return native
    try:
        ones = torch.ones(1, 1, 3, 3, dtype=PRECISIONS[name].dtype, device=device)
        torch.nn.functional.conv2d(ones, ones)
    except (RuntimeError, TypeError):
        return False
    return True
