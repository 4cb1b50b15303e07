"""Time several calls side by side: pure functions over a clock, so that a test can hand in one of its own."""

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

# Of a ratio's interval.
CONFIDENCE = 0.95


class Clock(Protocol):
    """What times a call."""

    def now(self) -> float:
        """The time in seconds since some moment."""

    def time(self, call: Call) -> float:
        """How many seconds one call takes, its work finished."""


class HostClock:
    """The clock of calls that return when their work is done, as on a CPU."""

    now = staticmethod(time.perf_counter)

    def time(self, call: Call) -> float:
        """See :class:`Clock`."""
        start = time.perf_counter()
        call()
        return time.perf_counter() - start


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        seconds: Of the timed rounds, at most; a round that has begun is finished.
        half_width: Stop earlier, once the interval of each ratio is no wider than this to either side, as a share of the
            ratio. 0 always takes the whole time.
        rounds: At least so many, whatever time they take: the least that give an interval.
        turn_seconds: In a round each call has one turn, in which it is repeated until this time is over.
        warm_up_seconds: Of the rounds before the timed ones, at most, for each call.
        stable: Warm-up ends once no call's fastest time of ``WINDOW`` turns differs by more than this share from that of
            the ``WINDOW`` turns before.
    """

    seconds: float = 20.0
    half_width: float = 0.01
    rounds: int = 6
    turn_seconds: float = 0.1
    warm_up_seconds: float = 5.0
    stable: float = 0.1

    @classmethod
    def lasting(cls, seconds: float, half_width: float) -> 'Plan':
        """A plan for so many seconds; where they are few, its turns and its warm-up are shorter too."""
        turn_seconds = min(cls.turn_seconds, seconds / 50)
        return cls(seconds, half_width, turn_seconds=turn_seconds, warm_up_seconds=seconds / 4)


# Turns that are compared to tell whether a call has warmed up.
WINDOW = 3


@dataclass
class Timings:
    """What one call took.

    Attributes:
        rounds: Seconds of each repetition, one list for each round.
        warm_up: The same of the rounds before, which count for nothing.
        settled: Whether warm-up ended because the times had settled, and not because its time was over.
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
    """Time calls in interleaved rounds, so that whatever disturbs or slows the machine falls on all of them alike.

    Every other round takes the calls in reverse, which cancels a steady drift.

    Args:
        calls: What to time.
        clock: What to time it with.
        plan: How long.
        progress: Is told after each round which share of the time has gone, 0 to 1.
        pairs: Which calls will be compared, (reference, other), as indices; ``None`` compares all with the first.

    Returns:
        One entry for each call.
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
        # Looking after every round would stop at a lucky one, so the looks are ever further apart.
        done = elapsed >= plan.seconds or (_is_look(rounds) and _precise(timed, pairs, plan.half_width))
        if done and rounds >= plan.rounds and rounds % 2 == 0:  # there and back
            break
    progress(1.0)
    return [Timings(*histories) for histories in zip(timed, warm_up, settled, strict=True)]


def _rounds(calls: Sequence[Call], clock: Clock, turn_seconds: float) -> Iterator[list[list[float]]]:
    """Rounds without end: for each call the times of its turn.

    A short call is made once more before its turn, as the first after another one's finds the caches full of that.
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
    """Whether the fastest of the last turns is that of the turns before; the fastest, as a disturbance only slows."""
    fastest = [min(turn) for turn in history[-2 * WINDOW :]]
    if len(fastest) < 2 * WINDOW:
        return False
    before, after = min(fastest[:WINDOW]), min(fastest[WINDOW:])
    return abs(after - before) <= tolerance * before


def _is_look(rounds: int) -> bool:
    """Whether to look for the precision after so many rounds: at 8, 12, 16, 24, 32, ..."""
    power = 1 << (rounds.bit_length() - 1)
    return rounds >= 8 and rounds in (power, power + power // 2)


def _precise(timed: list[list[list[float]]], pairs: Sequence[tuple[int, int]], half_width: float) -> bool:
    ratios = [speed_ratio(timed[reference], timed[other]) for reference, other in pairs]
    return all(max(r.high - r.value, r.value - r.low) <= half_width * r.value for r in ratios) and len(ratios) > 0


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one call is as another, and the interval that holds the true median at ``CONFIDENCE``.

    ``low`` and ``high`` are not-a-number where there were fewer than six rounds, which cannot tell.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = 'too few rounds' if math.isnan(self.low) else f'{self.low:.2f}, {self.high:.2f}'
        return f'{self.value:.2f} [{interval}]'


def speed_ratio(reference: Sequence[Sequence[float]], rounds: Sequence[Sequence[float]]) -> Ratio:
    """How many times as fast as the reference a call was, from their times in the same rounds.

    Within each round the two turns' medians give one ratio; the value is the median of these, and the interval the one of the
    binomial test, which assumes nothing about how times are distributed, but does assume that rounds are independent.

    Args:
        reference: Seconds of the reference's repetitions, one row for each round.
        rounds: The same of the call.
    """
    pairs = zip(reference, rounds, strict=True)
    ratios = [statistics.median(theirs) / statistics.median(ours) for theirs, ours in pairs]
    # Asked for its interval alone; whatever its hypothesis, that is the same.
    interval = quantile_test(ratios, q=1, p=0.5).confidence_interval(CONFIDENCE)
    return Ratio(statistics.median(ratios), float(interval.low), float(interval.high))


@dataclass(frozen=True)
class Summary:
    """Of all repetitions, in seconds: quantiles, each one an observed time, and the spread.

    Attributes:
        median: Half of the repetitions took no longer.
        p90: 90 % took no longer; of fewer than 10 repetitions it is the longest.
        p99: 99 % took no longer; of fewer than 100 repetitions it is the longest.
        spread: The distance between the quartiles, as a share of the median.
        repetitions: How many there were.
    """

    median: float
    p90: float
    p99: float
    spread: float
    repetitions: int


def summarise(rounds: Sequence[Sequence[float]]) -> Summary:
    """The quantiles of all repetitions, the rounds thrown together."""
    times = np.concatenate([np.asarray(turn, dtype=float) for turn in rounds])
    lower, median, upper, p90, p99 = np.quantile(times, [0.25, 0.5, 0.75, 0.9, 0.99], method='inverted_cdf')
    return Summary(float(median), float(p90), float(p99), float((upper - lower) / median), len(times))
