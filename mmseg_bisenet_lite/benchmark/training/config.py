"""The options of the training benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmseg_bisenet_lite.benchmark.measure import Plan

PARTS = ('loader', 'step', 'iteration')


@dataclass(frozen=True)
class TrainingBenchmarkConfig:
    """The options of the training benchmark, named as the options of ``tools/benchmark_train.py``.

    Attributes:
        config: Config file of a training.
        cfg_options: Changes to the config, key by key.
        part: Parts to time, some of ``PARTS``.
        batch: Images in a batch; ``None`` is the config's batch size.
        crop: (width, height) in pixels of the images in steps and iterations; ``None`` is the config's crop, or on a CPU
            320x240 if the config crops.
        cache_dir: Folder for decoded images, to time a loader that uses it too; ``None`` does not.
        workers: Numbers of workers to try; ``None`` is 0, 1, 2, 4, ... up to the number of cores.
        device: Device of the step; ``None`` is the best.
        threads: CPU threads of the step; ``None`` is PyTorch's choice.
        seconds: Longest time of each comparison, in seconds.
        half_width: Stop a comparison earlier, once the interval of each ratio is no wider than this to either side, as a share
            of the ratio.
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
        """The duration of each comparison."""
        return Plan.lasting(self.seconds, self.half_width)
