import math

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Latency


def test_quantiles_are_of_the_latest_calls():
    latency = Latency(window=100)
    assert math.isnan(latency.median)
    for seconds in [9.0] * 50 + [i / 1000 for i in range(1, 101)]:
        latency.add(seconds)
    assert latency.calls == 150
    assert latency.median == pytest.approx(np.median(np.arange(1, 101)) / 1000)
    assert latency.quantile(0.99) < 0.1
    assert str(latency) == '150 calls, median 50.50 ms, p90 90.10 ms, p99 99.01 ms'
    latency.reset()
    assert latency.calls == 0
    assert math.isnan(latency.quantile(0.9))
