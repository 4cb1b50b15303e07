"""The front of a search: the candidates that no other beats in both accuracy and speed."""

import statistics
from collections.abc import Sequence

from mmseg_bisenet_lite.benchmark.inference import Results as Speeds
from mmseg_bisenet_lite.benchmark.inference import front
from mmseg_bisenet_lite.search.results import Result

# A candidate's frames per second, mean AP in %, and whether it is on the front.
Point = tuple[float, float, bool]


def fronts(results: Sequence[Result], speeds: Speeds) -> dict[str, dict[str, Point]]:
    """Return the points of the candidates in each way of running them, such as ``'fp32, openvino'``."""
    aps: dict[str, list[float]] = {}
    for result in results:
        aps.setdefault(result.candidate, []).append(result.mean('AP'))
    ways: dict[str, dict[str, tuple[float, float]]] = {}
    for row in speeds.rows:
        if row.model in aps:
            ways.setdefault(row.way, {})[row.model] = (row.fps, statistics.mean(aps[row.model]))
    best = {way: front(list(points.values())) for way, points in ways.items()}
    return {way: {name: (*point, point in best[way]) for name, point in points.items()} for way, points in ways.items()}
