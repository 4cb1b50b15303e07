"""Means over the drives that were left out, as results of their own."""

import statistics
from collections.abc import Collection, Iterable
from dataclasses import replace

from mmseg_bisenet_lite.reproduce.config import Run
from mmseg_bisenet_lite.reproduce.results import Result


def mean_over_drives(done: Iterable[Result], drives: Collection[str | None]) -> list[Result]:
    """Return a result for each network, loss, target and seed: the mean over the drives, each with the same weight.

    A mean over fewer drives would compare with no other, so there is none where the training of a drive is missing.

    Args:
        done: Results of the trainings.
        drives: All drives that are left out; of ``(None,)`` the results stay as they are.
    """
    grouped: dict[Run, list[Result]] = {}
    for result in done:
        grouped.setdefault(replace(result.run, left_out=None), []).append(result)
    return [_mean(run, results) for run, results in grouped.items() if {each.run.left_out for each in results} == {*drives}]


def _mean(run: Run, results: list[Result]) -> Result:
    names = [name for name in results[0].metrics if all(name in each.metrics for each in results)]
    steps = [step for step, _ in results[0].curve if all(step in dict(each.curve) for each in results)]
    return replace(
        results[0],
        run=run,
        metrics={name: statistics.mean(each.metrics[name] for each in results) for name in names},
        curve=[(step, statistics.mean(dict(each.curve)[step] for each in results)) for step in steps],
    )
