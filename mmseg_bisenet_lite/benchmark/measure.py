"""Times several calls side by side, with a clock as an argument, so that tests can pass their own."""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.stats import quantile_test

Call = Callable[[], Any]

# Confidence level of a ratio's interval.
CONFIDENCE = 0.95


class Clock(Protocol):
    """The interface of a clock that times calls."""

    def now(self) -> float:
        """Return the time in seconds from an arbitrary start."""

    def time(self, call: Call) -> float:
        """Make one call and return the seconds until its work is finished."""


class HostClock:
    """A clock for calls that return when their work is finished, as on a CPU."""

    now = staticmethod(time.perf_counter)

    def time(self, call: Call) -> float:
        """Time a call; see :class:`Clock`."""
        start = time.perf_counter()
        call()
        return time.perf_counter() - start


@dataclass(frozen=True)
class Plan:
    """The duration of a measurement.

    Attributes:
        seconds: Longest time of the timed rounds, in seconds; a round that has begun is finished.
        half_width: Stop earlier, once the interval of each ratio is no wider than this to either side, as a share of the
            ratio. 0 always takes the whole time.
        rounds: Smallest number of timed rounds, whatever time they take. The default is the fewest that give an interval.
        turn_seconds: Time of a turn, in seconds. In a round each call has one turn, in which it is repeated for this time.
        warm_up_seconds: Longest time of the warm-up rounds, in seconds for each call.
        stable: The warm-up ends once every call has settled: its fastest time in the last ``WINDOW`` turns differs from its
            fastest time in the ``WINDOW`` turns before by at most this share.
    """

    seconds: float = 20.0
    half_width: float = 0.01
    rounds: int = 6
    turn_seconds: float = 0.1
    warm_up_seconds: float = 5.0
    stable: float = 0.1

    @classmethod
    def lasting(cls, seconds: float, half_width: float) -> 'Plan':
        """Make a plan for a number of seconds, with shorter turns and warm-up if they are few."""
        turn_seconds = min(cls.turn_seconds, seconds / 50)
        return cls(seconds, half_width, turn_seconds=turn_seconds, warm_up_seconds=seconds / 4)


# Number of turns to compare with the same number before, to see whether a call has warmed up.
WINDOW = 3


@dataclass
class Timings:
    """The times of one call.

    Attributes:
        rounds: Seconds of each repetition, one list for each round.
        warm_up: The same for the warm-up rounds, which do not count.
        settled: Whether the times had settled when the warm-up ended; if not, it ended because its time was over.
    """

    rounds: list[list[float]]
    warm_up: list[list[float]]
    settled: bool


def measure(
    calls: Sequence[Call],
    clock: Clock,
    plan: Plan,
    progress: Callable[[float], None] = lambda share: None,
    pairs: Sequence[tuple[int, int]] | None = None,
) -> list[Timings]:
    """Time calls in interleaved rounds, so that disturbances of the machine affect all calls alike.

    Every other round takes the calls in reverse order, which cancels a steady drift.

    Args:
        calls: The calls to time.
        clock: The clock.
        plan: Duration of the measurement.
        progress: Called after each round with the share of the time that has passed, 0 to 1.
        pairs: Calls to compare, as indices (reference, other); ``None`` compares all calls with the first.

    Returns:
        The times of each call.
    """
    if pairs is None:
        pairs = [(0, other) for other in range(1, len(calls))]
    warm_up: list[list[list[float]]] = [[] for _ in calls]
    start = clock.now()
    settled = [False] * len(calls)
    rounds_of_turns = _rounds(calls, clock, plan.turn_seconds)
    for turns in rounds_of_turns:
        for history, turn in zip(warm_up, turns, strict=True):
            history.append(turn)
        settled = [_settled(history, plan.stable) for history in warm_up]
        if all(settled) or clock.now() - start >= plan.warm_up_seconds * len(calls):
            break

    timed: list[list[list[float]]] = [[] for _ in calls]
    start = clock.now()
    for turns in rounds_of_turns:
        for history, turn in zip(timed, turns, strict=True):
            history.append(turn)
        elapsed = clock.now() - start
        progress(min(1.0, elapsed / plan.seconds) if plan.seconds else 1.0)
        rounds = len(timed[0])
        # A check after every round would stop at a lucky round, so the checks are ever further apart.
        done = elapsed >= plan.seconds or (_is_look(rounds) and _precise(timed, pairs, plan.half_width))
        if done and rounds >= plan.rounds and rounds % 2 == 0:  # both orders
            break
    progress(1.0)
    return [Timings(*histories) for histories in zip(timed, warm_up, settled, strict=True)]


def _rounds(calls: Sequence[Call], clock: Clock, turn_seconds: float) -> Iterator[list[list[float]]]:
    """Yield rounds without end: for each call the times of its turn.

    A short call is made once untimed at the start of its turn, since another call's data fill the caches then.
    """
    latest = [math.inf] * len(calls)
    for number in itertools.count():
        order = range(len(calls)) if number % 2 == 0 else reversed(range(len(calls)))
        turns: list[list[float]] = [[] for _ in calls]
        for index in order:
            if latest[index] < turn_seconds / 2:
                clock.time(calls[index])
            start = clock.now()
            while not turns[index] or clock.now() - start < turn_seconds:
                turns[index].append(clock.time(calls[index]))
            latest[index] = turns[index][-1]
        yield turns


def _settled(history: list[list[float]], tolerance: float) -> bool:
    """Whether the fastest time has settled. The fastest is compared, since disturbances only make calls slower."""
    fastest = [min(turn) for turn in history[-2 * WINDOW :]]
    if len(fastest) < 2 * WINDOW:
        return False
    before, after = min(fastest[:WINDOW]), min(fastest[WINDOW:])
    return abs(after - before) <= tolerance * before


def _is_look(rounds: int) -> bool:
    """Whether to check the precision after this number of rounds: after 8, 12, 16, 24, 32, ..."""
    power = 1 << (rounds.bit_length() - 1)
    return rounds >= 8 and rounds in (power, power + power // 2)


def _precise(timed: list[list[list[float]]], pairs: Sequence[tuple[int, int]], half_width: float) -> bool:
    ratios = [speed_ratio(timed[reference], timed[other]) for reference, other in pairs]
    return all(max(r.high - r.value, r.value - r.low) <= half_width * r.value for r in ratios) and len(ratios) > 0


@dataclass(frozen=True)
class Ratio:
    """The speed of a call relative to another, with the ``CONFIDENCE`` interval of the median.

    Attributes:
        value: The median ratio.
        low: Lower end of the interval; NaN for fewer than six rounds, which are too few.
        high: Upper end of the interval; NaN for fewer than six rounds.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = 'too few rounds' if math.isnan(self.low) else f'{self.low:.2f}, {self.high:.2f}'
        return f'{self.value:.2f} [{interval}]'


def speed_ratio(reference: Sequence[Sequence[float]], rounds: Sequence[Sequence[float]]) -> Ratio:
    """Return the speed of a call relative to a reference, from their times in the same rounds.

    In each round the medians of the two turns give one ratio. The value is the median of these ratios. The interval is that
    of the binomial test, which assumes independent rounds, but no distribution of the times.

    Args:
        reference: Seconds of each repetition of the reference, one list for each round.
        rounds: The same for the call.
    """
    pairs = zip(reference, rounds, strict=True)
    ratios = [statistics.median(theirs) / statistics.median(ours) for theirs, ours in pairs]
    # Only the interval is used, which does not depend on the hypothesis.
    interval = quantile_test(ratios, q=1, p=0.5).confidence_interval(CONFIDENCE)
    return Ratio(statistics.median(ratios), float(interval.low), float(interval.high))


@dataclass(frozen=True)
class Summary:
    """Statistics of all repetitions of a call. Each quantile is an observed time, in seconds.

    Attributes:
        median: Median time.
        p90: 90th percentile; the longest time for fewer than 10 repetitions.
        p99: 99th percentile; the longest time for fewer than 100 repetitions.
        spread: Interquartile range as a share of the median.
        repetitions: Number of repetitions.
    """

    median: float
    p90: float
    p99: float
    spread: float
    repetitions: int


def summarise(rounds: Sequence[Sequence[float]]) -> Summary:
    """Return the statistics of the repetitions of all rounds together."""
    times = np.concatenate([np.asarray(turn, dtype=float) for turn in rounds])
    lower, median, upper, p90, p99 = np.quantile(times, [0.25, 0.5, 0.75, 0.9, 0.99], method='inverted_cdf')
    return Summary(float(median), float(p90), float(p99), float((upper - lower) / median), len(times))
