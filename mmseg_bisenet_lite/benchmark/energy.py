"""Energy, clocks and throttling of NVIDIA devices, read from the driver with NVML."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mmseg_bisenet_lite.benchmark.measure import Call, Clock

INSTALL = "pip install -e '.[nvidia]'"

# Reasons of throttling, by the names of NVML's bits.
THROTTLES = {
    'nvmlClocksThrottleReasonSwPowerCap': 'power cap',
    'nvmlClocksThrottleReasonHwSlowdown': 'hardware slowdown',
    'nvmlClocksThrottleReasonSwThermalSlowdown': 'software thermal slowdown',
    'nvmlClocksThrottleReasonHwThermalSlowdown': 'hardware thermal slowdown',
    'nvmlClocksThrottleReasonHwPowerBrakeSlowdown': 'power brake',
}


@dataclass(frozen=True)
class Energy:
    """The energy of one call, measured while the device repeats it.

    Attributes:
        joules: Energy of one call.
        watts: Average power.
    """

    joules: float
    watts: float


@dataclass(frozen=True)
class Clocks:
    """The clock of a device.

    Attributes:
        mhz: Clock of the streaming multiprocessors.
        highest_mhz: Highest clock that they can have.
        throttled: Reasons of throttling; empty if the device is not throttled.
    """

    mhz: int
    highest_mhz: int
    throttled: frozenset[str]


def describe(seen: Sequence[Clocks]) -> str:
    """Describe the clocks of several moments in words."""
    reasons = ', '.join(sorted(set().union(*(clocks.throttled for clocks in seen))))
    low, high = min(clocks.mhz for clocks in seen), max(clocks.mhz for clocks in seen)
    return f'{low} to {high} of {seen[0].highest_mhz} MHz, {f"throttled by {reasons}" if reasons else "not throttled"}'


class Meter:
    """Reads the counters of one CUDA device.

    Args:
        device: The CUDA device.

    Raises:
        RuntimeError: nvidia-ml-py is missing, or the driver does not have these counters (on Jetsons). The message is one
            line.
    """

    def __init__(self, device: torch.device) -> None:
        try:
            import pynvml
        except ModuleNotFoundError:
            raise RuntimeError(f'nvidia-ml-py is missing: {INSTALL}') from None
        self.nvml: Any = pynvml
        try:
            pynvml.nvmlInit()
            # CUDA and the driver may number devices differently; the UUID is the same.
            self.handle = pynvml.nvmlDeviceGetHandleByUUID(f'GPU-{torch.cuda.get_device_properties(device).uuid}')
            pynvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)
            self.clocks()
        except pynvml.NVMLError as error:
            raise RuntimeError(f'NVML: {error}') from None

    def read(self, call: Call, clock: Clock, seconds: float = 2.0) -> Energy:
        """Measure the energy of a call by repeating it.

        Args:
            call: The call.
            clock: Clock of the device.
            seconds: Time to repeat the call; the driver updates its counter about every 0.1 s.
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
        """Read the current clock."""
        nvml = self.nvml
        reasons = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self.handle)
        return Clocks(
            mhz=nvml.nvmlDeviceGetClockInfo(self.handle, nvml.NVML_CLOCK_SM),
            highest_mhz=nvml.nvmlDeviceGetMaxClockInfo(self.handle, nvml.NVML_CLOCK_SM),
            throttled=frozenset(name for bit, name in THROTTLES.items() if reasons & getattr(nvml, bit)),
        )
