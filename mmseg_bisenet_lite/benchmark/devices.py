"""What a device can do, how calls are timed on it, and what it is called."""

import contextlib
import os
import platform
import re
import time
from pathlib import Path

import torch

from mmseg_bisenet_lite.benchmark.measure import Call, Clock, HostClock
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.precision import has_arithmetic


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
        raise InputError(f'--device {name}: there is no such device; choose from {", ".join(here)}')
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
    if not has_arithmetic(device, name):
        raise InputError(f'--precision {name}: {device_name(device)} ({device.type}) does not compute in {name}; leave it out')


def set_tf32(allowed: bool) -> None:
    """Allow or forbid TF32 in convolutions and matrix products."""
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed
