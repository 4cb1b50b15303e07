"""Energy with a driver of the test's own: there is none where CI runs."""

import sys
import types

import pytest
import torch

from mmseg_bisenet_lite.benchmark.energy import THROTTLES, Clocks, Meter, describe


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return self.seconds

    def time(self, call):
        call()
        self.seconds += 0.25
        return 0.25


@pytest.fixture
def driver(monkeypatch):
    """A device that draws 80 W, runs at 1,410 of 1,980 MHz and is slowed by its power cap."""

    class NVMLError(Exception):
        pass

    clock = Clock()
    nvml = types.SimpleNamespace(
        clock=clock,
        NVMLError=NVMLError,
        NVML_CLOCK_SM=1,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: int(1000 * 80 * clock.seconds),  # mJ
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: 0b101,  # idle, which slows nothing, and the power cap
        nvmlDeviceGetClockInfo=lambda handle, kind: 1410,
        nvmlDeviceGetMaxClockInfo=lambda handle, kind: 1980,
        **{name: 1 << bit for name, bit in zip(THROTTLES, (2, 3, 5, 6, 7), strict=True)},
    )
    monkeypatch.setitem(sys.modules, 'pynvml', nvml)
    monkeypatch.setattr(torch.cuda, 'get_device_properties', lambda device: types.SimpleNamespace(uuid='1-2-3'))
    return nvml


def test_energy_of_a_call(driver):
    meter = Meter(torch.device('cuda'))
    assert meter.handle == 'GPU-1-2-3'
    energy = meter.read(lambda: None, driver.clock, seconds=2)
    assert energy.joules == pytest.approx(80 * 0.25)
    assert energy.watts == pytest.approx(80)
    assert meter.clocks() == Clocks(1410, 1980, frozenset({'power cap'}))


def test_clocks_in_words():
    fast, slow = Clocks(1980, 1980, frozenset()), Clocks(1410, 1980, frozenset({'power cap'}))
    assert describe([fast, slow, fast]) == '1410 to 1980 of 1980 MHz, throttled by power cap'
    assert describe([fast]) == '1980 to 1980 of 1980 MHz, not throttled'


@pytest.mark.parametrize('question', ['TotalEnergyConsumption', 'CurrentClocksThrottleReasons', 'MaxClockInfo'])
def test_a_device_without_a_counter_says_so(driver, question):
    def unsupported(*_):
        raise driver.NVMLError('Not Supported')

    setattr(driver, f'nvmlDeviceGet{question}', unsupported)
    with pytest.raises(RuntimeError, match='NVML: Not Supported'):
        Meter(torch.device('cuda'))


def test_without_the_library_it_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pynvml', None)
    with pytest.raises(RuntimeError, match=r"nvidia-ml-py is missing: pip install -e '\.\[nvidia\]'"):
        Meter(torch.device('cuda'))


def test_the_bits_are_the_drivers():
    pynvml = pytest.importorskip('pynvml', reason='nvidia-ml-py is not installed')
    assert [getattr(pynvml, name) for name in THROTTLES] == [0x4, 0x8, 0x20, 0x40, 0x80]
