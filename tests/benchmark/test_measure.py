"""The method, over a clock of the test's own."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmseg_bisenet_lite.benchmark.measure import HostClock, Plan, measure, speed_ratio, summarise


class FakeClock:
    """Time passes only inside calls, which say how many seconds they take at a given time."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return self.seconds

    def time(self, call):
        taken = call(self.seconds)
        self.seconds += taken
        return taken


def noisy(rng, base):
    """Of a shared machine: log-normal noise, a slow drift of 30 %, and one call in ten that takes twice as long."""

    def call(now):
        drift = 1 + 0.3 * math.sin(now / 10)
        return base * drift * rng.lognormal(sigma=0.05) * (2 if rng.random() < 0.1 else 1)

    return call


def ratio_of(seed, slower, plan):
    rng = np.random.default_rng(seed)
    reference, other = measure([noisy(rng, 0.1), noisy(rng, 0.1 * slower)], FakeClock(), plan)
    return speed_ratio(other.rounds, reference.rounds)  # how many times as fast the reference is


def test_half_as_slow_again_is_reported_as_one_and_a_half():
    ratio = ratio_of(0, 1.5, Plan(seconds=20, half_width=0))
    assert ratio.low <= 1.5 <= ratio.high
    assert ratio.high - ratio.low < 0.1
    assert ratio.low < ratio.value < ratio.high


@pytest.mark.slow
@pytest.mark.parametrize('plan', [Plan(seconds=5, half_width=0), Plan(seconds=20, half_width=0.02)])
def test_the_interval_holds_the_truth_as_often_as_it_says(plan):
    held = [r.low <= 1.5 <= r.high for r in (ratio_of(seed, 1.5, plan) for seed in range(300))]
    assert np.mean(held) > 0.93  # of 0.95, less three standard errors would be 0.912


@pytest.mark.slow
def test_equal_calls_are_told_apart_no_more_often_than_it_says():
    apart = [not r.low <= 1 <= r.high for r in (ratio_of(seed, 1, Plan(seconds=5, half_width=0)) for seed in range(300))]
    assert np.mean(apart) < 0.07


def test_a_steady_drift_cancels():
    # Each call takes longer the later it is; one after the other, the second would seem 2 % slower for each round.
    first, second = measure([lambda now: 1 + now / 50] * 2, FakeClock(), Plan(seconds=40, warm_up_seconds=0))
    assert speed_ratio(first.rounds, second.rounds).value == pytest.approx(1, abs=0.01)


def test_rounds_take_the_calls_there_and_back():
    order = []
    calls = [lambda now, name=name: order.append(name) or 1 for name in 'abc']
    measure(calls, FakeClock(), Plan(seconds=0, rounds=6, warm_up_seconds=0))
    assert ''.join(order) == 'abc' + 'cbaabc' * 3  # the first three are the warm-up


def test_short_calls_are_repeated_within_their_turn():
    long, short = measure([lambda now: 0.3, lambda now: 0.03], FakeClock(), Plan(seconds=5, half_width=0, turn_seconds=0.1))
    assert {len(turn) for turn in long.rounds} == {1}
    assert {len(turn) for turn in short.rounds} == {4}
    assert speed_ratio(long.rounds, short.rounds).value == pytest.approx(10)


def test_a_short_call_is_made_once_untimed_before_its_turn():
    def call(now):
        before, latest[0] = latest[0], now
        return 0.01 if now - before < 0.5 else 0.04  # slower after something else

    latest = [0.0]
    _, short = measure([lambda now: 1.0, call], FakeClock(), Plan(seconds=10, half_width=0))
    assert set(itertools.chain(*short.rounds)) == {0.01}


def test_it_stops_only_once_all_that_is_compared_is_precise():
    def run(pairs):
        rng = np.random.default_rng(0)
        calls = [lambda now: 1.0, lambda now: 1.0, lambda now: rng.lognormal(sigma=0.5), lambda now: 2.0]
        return len(measure(calls, FakeClock(), Plan(seconds=200), pairs=pairs)[0].rounds)

    assert run([(0, 1), (0, 3), (1, 3)]) == 8
    assert run([(0, 1), (2, 3)]) > 30


def test_warm_up_ends_when_the_times_have_settled():
    calls = itertools.count()
    (timings,) = measure([lambda now: 1 + 2 * math.exp(-next(calls) / 2)], FakeClock(), Plan(warm_up_seconds=60))
    assert timings.settled
    assert len(timings.warm_up) > 6
    assert timings.rounds[0][0] < 1.1  # three times as long at first


@pytest.mark.parametrize(('seconds', 'repetitions'), [(0, 1), (1, 2), (20, 7), (60, 7)])
def test_a_short_plan_has_short_turns_and_little_warm_up(seconds, repetitions):
    calls = itertools.count()
    steady, slower = lambda now: 1 / 64, lambda now: 1.04 ** next(calls) / 64  # the second never settles
    timings = measure([steady, slower], FakeClock(), Plan.lasting(seconds, half_width=0))
    assert {len(turn) for turn in timings[0].rounds} == {repetitions}
    assert len(timings[0].rounds) >= 6
    assert not timings[1].settled
    *rounds, last = (sum(map(sum, turns)) for turns in zip(*(timing.warm_up for timing in timings), strict=True))
    assert sum(rounds) <= seconds / 4 * 2 <= 3 * (sum(rounds) + last)  # the clock counts untimed calls too


def test_times_that_never_settle_are_said_to_be_so():
    clock = FakeClock()
    settled, unsettled = measure([lambda now: 1, lambda now: 2 ** (-now / 10)], clock, Plan(warm_up_seconds=10, seconds=0))
    assert settled.settled
    assert not unsettled.settled
    assert 20 <= sum(map(sum, settled.warm_up + unsettled.warm_up)) < 22  # ten seconds for each


def test_it_stops_once_the_ratio_is_precise():
    rng = np.random.default_rng(0)
    calls = [lambda now: rng.normal(0.11, 0.0001), lambda now: rng.normal(0.2, 0.0002)]
    first, _ = measure(calls, FakeClock(), Plan(seconds=1000, half_width=0.01))
    assert len(first.rounds) == 8
    first, _ = measure(calls, FakeClock(), Plan(seconds=30, half_width=0))
    assert len(first.rounds) == 98  # of 0.31 s, there and back


def test_there_are_enough_rounds_for_an_interval_whatever_they_take():
    shares = []
    slow = measure([lambda now: 100, lambda now: 50], FakeClock(), Plan(seconds=1, warm_up_seconds=1), shares.append)
    ratio = speed_ratio(slow[0].rounds, slow[1].rounds)
    assert (ratio.low, ratio.value, ratio.high) == (2, 2, 2)
    assert shares[-1] == 1


def test_five_rounds_cannot_tell():
    ratio = speed_ratio([[1.0]] * 5, [[2.0]] * 5)
    assert ratio.value == 0.5
    assert math.isnan(ratio.low)
    assert math.isnan(ratio.high)


def test_the_interval_is_that_of_the_order_statistics():
    # Source: tables of the distribution-free interval of a median: of 10 values the 2nd and the 9th hold it at 97.9 %.
    ratio = speed_ratio([[value] for value in range(1, 11)], [[1]] * 10)
    assert (ratio.low, ratio.value, ratio.high) == (2, 5.5, 9)


@given(st.lists(st.lists(st.floats(1e-3, 10), min_size=1, max_size=5), min_size=1, max_size=60))
def test_quantiles_are_times_that_were_observed(rounds):
    times = sorted(itertools.chain(*rounds))
    summary = summarise(rounds)
    assert summary.repetitions == len(times)
    for share, value in ((0.5, summary.median), (0.9, summary.p90), (0.99, summary.p99)):
        assert value == next(t for i, t in enumerate(times, 1) if i >= share * len(times) - 1e-9)


def test_p99_of_few_is_the_longest():
    assert summarise([[1.0] * 98 + [7.0]]).p99 == 7
    assert summarise([[1.0] * 199 + [7.0]]).p99 == 1


def test_spread_is_the_distance_of_the_quartiles():
    assert summarise([[1, 2, 3, 4, 5, 6, 7, 8]]).spread == pytest.approx((6 - 2) / 4)
    assert summarise([[3.0], [3.0]]).spread == 0


def test_the_host_clock_sees_the_call():
    import time

    assert HostClock().time(lambda: time.sleep(0.02)) >= 0.02
