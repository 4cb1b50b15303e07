"""Energy, clocks and throttling of NVIDIA devices, read from their driver through NVML."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mmseg_bisenet_lite.benchmark.measure import Call, Clock

INSTALL = "pip install '.[nvidia]'"

# What slows a clock, by the names of NVML's bits.
THROTTLES = {
    'nvmlClocksThrottleReasonSwPowerCap': 'power cap',
    'nvmlClocksThrottleReasonHwSlowdown': 'hardware slowdown',
    'nvmlClocksThrottleReasonSwThermalSlowdown': 'software thermal slowdown',
    'nvmlClocksThrottleReasonHwThermalSlowdown': 'hardware thermal slowdown',
    'nvmlClocksThrottleReasonHwPowerBrakeSlowdown': 'power brake',
}


@dataclass(frozen=True)
class Energy:
    """What a device used while it did nothing but one call over and over.

    Attributes:
        joules: For each call.
        watts: On average.
    """

    joules: float
    watts: float


@dataclass(frozen=True)
class Clocks:
    """How fast a device runs.

    Attributes:
        mhz: Of the streaming multiprocessors.
        highest_mhz: That they could have.
        throttled: What slows them, nothing if empty.
    """

    mhz: int
    highest_mhz: int
    throttled: frozenset[str]


def describe(seen: Sequence[Clocks]) -> str:
    """The clocks of several moments, for a reader."""
    reasons = ', '.join(sorted(set().union(*(clocks.throttled for clocks in seen))))
    low, high = min(clocks.mhz for clocks in seen), max(clocks.mhz for clocks in seen)
    return f'{low} to {high} of {seen[0].highest_mhz} MHz, {f"throttled by {reasons}" if reasons else "not throttled"}'


class Meter:
    """Reads one CUDA device's counters.

    Args:
        device: The CUDA device.

    Raises:
        RuntimeError: nvidia-ml-py is missing, or the driver does not tell what is asked (on Jetsons). The
            message is one line.
    """

    def __init__(self, device: torch.device) -> None:
        try:
            import pynvml
        except ModuleNotFoundError:
            raise RuntimeError(f'nvidia-ml-py is missing: {INSTALL}') from None
        self.nvml: Any = pynvml
        try:
            pynvml.nvmlInit()
            # CUDA's number of a device need not be the driver's; the identifier is.
            self.handle = pynvml.nvmlDeviceGetHandleByUUID(f'GPU-{torch.cuda.get_device_properties(device).uuid}')
            pynvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)
            self.clocks()
        except pynvml.NVMLError as error:
            raise RuntimeError(f'NVML: {error}') from None

    def read(self, call: Call, clock: Clock, seconds: float = 2.0) -> Energy:
        """Repeat a call and see what it costs.

        Args:
            call: What to repeat.
            clock: The device's.
            seconds: For how long; the driver renews its counter about every 0.1 s.
        """
        nvml = self.nvml
        before, start, calls = nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle), clock.now(), 0
        while clock.now() - start < seconds:
            clock.time(call)
            calls += 1
        elapsed = clock.now() - start
        joules = (nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) - before) / 1000
        return Energy(joules=joules / calls, watts=joules / elapsed)

    def clocks(self) -> Clocks:
        """As they are now."""
        nvml = self.nvml
        reasons = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self.handle)
        return Clocks(
            mhz=nvml.nvmlDeviceGetClockInfo(self.handle, nvml.NVML_CLOCK_SM),
            highest_mhz=nvml.nvmlDeviceGetMaxClockInfo(self.handle, nvml.NVML_CLOCK_SM),
            throttled=frozenset(name for bit, name in THROTTLES.items() if reasons & getattr(nvml, bit)),
        )
