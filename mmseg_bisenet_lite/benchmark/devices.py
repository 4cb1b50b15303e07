"""Devices: their clocks, names and precisions."""

import contextlib
import platform
import re
import time
from pathlib import Path

import torch

from mmseg_bisenet_lite.benchmark.measure import Call, Clock, HostClock
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.precision import has_arithmetic


class EventClock:
    """A clock with CUDA events: one before and one after the call, read when both have passed."""

    now = staticmethod(time.perf_counter)

    def time(self, call: Call) -> float:
        """Time a call; see :class:`~mmseg_bisenet_lite.benchmark.measure.Clock`."""
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3


class SynchronisedClock(HostClock):
    """The host's clock, read after the accelerator has finished its queue."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def time(self, call: Call) -> float:
        """Time a call; see :class:`~mmseg_bisenet_lite.benchmark.measure.Clock`."""

        def finished() -> None:
            call()
            torch.accelerator.synchronize(self.device)

        return super().time(finished)


def clock_of(device: torch.device) -> Clock:
    """Return a clock that waits for the device to finish a call's work."""
    if device.type == 'cpu':
        return HostClock()
    return EventClock() if device.type == 'cuda' else SynchronisedClock(device)


def find_device(name: str | None) -> torch.device:
    """Find a device by its name and make it the current one.

    Args:
        name: Such as ``'cpu'`` or ``'cuda:1'``; ``None`` is the best device: an accelerator, else the CPU.

    Raises:
        InputError: There is no such device.
    """
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    available = ['cpu', *(f'{accelerator.type}:{i}' for i in range(torch.accelerator.device_count()) if accelerator)]
    if name is None:
        name = accelerator.type if accelerator else 'cpu'
    match = re.fullmatch(r'([a-z]+)(?::(\d+))?', name)
    if match is None or (name not in available and f'{name}:0' not in available):
        raise InputError(f'--device {name}: there is no such device; choose from {", ".join(available)}')
    if name == 'cpu':
        return torch.device('cpu')
    device = torch.device(match[1], int(match[2] or 0))
    torch.accelerator.set_device_index(device)
    return device


def device_name(device: torch.device) -> str:
    """Return the product name of a device."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    if device.type != 'cpu':
        return device.type
    with contextlib.suppress(OSError):
        model = re.search(r'^model name\s*:\s*(.+)$', Path('/proc/cpuinfo').read_text(), re.MULTILINE)
        if model:
            return model[1].strip()
    return platform.processor() or platform.machine()


def check_precision(device: torch.device, name: str) -> None:
    """Raise an :class:`InputError` if the device would only emulate this precision, which would give misleading times."""
    if not has_arithmetic(device, name):
        raise InputError(f'--precision {name}: {device_name(device)} ({device.type}) does not compute in {name}; leave it out')


def set_tf32(allowed: bool) -> None:
    """Allow or forbid TF32 in convolutions and matrix products."""
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed
