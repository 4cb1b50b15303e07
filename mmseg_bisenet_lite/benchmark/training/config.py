"""What is to be timed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmseg_bisenet_lite.benchmark.measure import Plan

PARTS = ('loader', 'step', 'iteration')


@dataclass(frozen=True)
class TrainingBenchmarkConfig:
    """What is to be timed; the names are those of the options of ``tools/benchmark_train.py``.

    Attributes:
        config: File of a training's config.
        cfg_options: Changes to it, key by key.
        part: Some of ``PARTS``.
        batch: Images; ``None`` is the config's.
        crop: (width, height) of the images in steps and iterations; ``None`` is the config's, on CPUs 320x240.
        cache_dir: Folder for decoded images, to time the loader with it too.
        workers: Numbers to try; ``None`` is 0, 1, 2, 4, ... up to the cores.
        device: Of the step; ``None`` is the best.
        threads: Of the CPU; ``None`` is PyTorch's choice.
        seconds: At most so long for each comparison.
        half_width: Stop sooner once each ratio is known to that share.
    """

    config: str
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    part: Sequence[str] = PARTS
    batch: int | None = None
    crop: tuple[int, int] | None = None
    cache_dir: str | None = None
    workers: Sequence[int] | None = None
    device: str | None = None
    threads: int | None = None
    seconds: float = Plan.seconds
    half_width: float = Plan.half_width

    @property
    def plan(self) -> Plan:
        """How long to measure."""
        return Plan.lasting(self.seconds, self.half_width)
