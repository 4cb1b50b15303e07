"""What a device can do, how calls are timed on it, and what it is called."""

import contextlib
import functools
import os
import platform
import re
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from mmseg_bisenet_lite.benchmark.measure import Call, Clock, HostClock
from mmseg_bisenet_lite.errors import InputError


@dataclass(frozen=True)
class Precision:
    """How numbers are held and multiplied.

    Attributes:
        dtype: Of the weights and of every map between the layers.
        tf32: Whether NVIDIA's tensor cores may round the factors of float32 products to 10 bits, PyTorch's default for
            convolutions. ``fp32`` does not, as the paper's devices could not.
    """

    dtype: torch.dtype
    tf32: bool = False


PRECISIONS = {
    'fp32': Precision(torch.float32),
    'tf32': Precision(torch.float32, tf32=True),
    'bf16': Precision(torch.bfloat16),
    'fp16': Precision(torch.float16),
}


class EventClock:
    """The clock of CUDA's streams: events before and after the call, both passed when the time is read."""

    now = staticmethod(time.perf_counter)

    def time(self, call: Call) -> float:
        """See :class:`~mmseg_bisenet_lite.benchmark.measure.Clock`."""
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3


class SynchronisedClock(HostClock):
    """The host's clock, read once the accelerator's queue is empty."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def time(self, call: Call) -> float:
        """See :class:`~mmseg_bisenet_lite.benchmark.measure.Clock`."""

        def finished() -> None:
            call()
            torch.accelerator.synchronize(self.device)

        return super().time(finished)


def clock_of(device: torch.device) -> Clock:
    """The clock that sees a call's work on the device finished."""
    if device.type == 'cpu':
        return HostClock()
    return EventClock() if device.type == 'cuda' else SynchronisedClock(device)


def find_device(name: str | None) -> torch.device:
    """The named device, made the current one, or without a name the best: an accelerator, else the CPU.

    Raises:
        InputError: There is no such device.
    """
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    here = ['cpu', *(f'{accelerator.type}:{i}' for i in range(torch.accelerator.device_count()) if accelerator)]
    if name is None:
        name = accelerator.type if accelerator else 'cpu'
    found = re.fullmatch(r'([a-z]+)(?::(\d+))?', name)
    if found is None or (name not in here and f'{name}:0' not in here):
        raise InputError(f'--device {name}: there is no such device; here are {", ".join(here)}')
    if name == 'cpu':
        return torch.device('cpu')
    device = torch.device(found[1], int(found[2] or 0))
    torch.accelerator.set_device_index(device)
    return device


def device_name(device: torch.device) -> str:
    """What the maker calls the device."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    if device.type != 'cpu':
        return device.type
    with contextlib.suppress(OSError):
        model = re.search(r'^model name\s*:\s*(.+)$', Path('/proc/cpuinfo').read_text(), re.MULTILINE)
        if model:
            return model[1].strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def check_precision(device: torch.device, name: str) -> None:
    """Raise an :class:`InputError` if the device has no arithmetic of this precision: emulation would only mislead."""
    if not _supports(device, name):
        raise InputError(f'--precision {name}: {device_name(device)} ({device.type}) has no such arithmetic')


@functools.cache
def _supports(device: torch.device, name: str) -> bool:
    if name == 'fp32':
        return True
    if name == 'tf32':
        return device.type == 'cuda' and torch.version.cuda is not None and torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == 'cuda':
        return name == 'fp16' or torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == 'cpu':
        # oneDNN's own word, which for bfloat16 on x86 is also yes where it only imitates it.
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


def set_tf32(allowed: bool) -> None:
    """Allow or forbid TF32 in convolutions and matrix products."""
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed
