"""The options of a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Precisions to time; int8 needs a trained network and photographs to calibrate on, the others do not.
PRECISIONS = ('fp32', 'bf16', 'int8')


@dataclass(frozen=True)
class SearchConfig:
    """The options of a search, named as the options of ``tools/search.py``.

    Attributes:
        configs: Config files, one for each candidate; speeds are compared with the first one's.
        out: Output folder; what it holds of an earlier search is not done again.
        seeds: Number of seeds, from 0 on.
        iters: Iterations of each training; ``None`` keeps the configs' numbers.
        jobs: Number of trainings that run side by side.
        cfg_options: Changes to every config, as ``Config.merge_from_dict`` takes them.
        engine: Keys of the benchmark's ``RUNTIMES``.
        precision: Some of ``PRECISIONS``, not ``'int8'`` alone.
        size: (width, height) of the frames in pixels.
        threads: CPU threads while timing; ``None`` is PyTorch's choice.
        seconds: Longest time that is spent on timing, in seconds.
    """

    configs: Sequence[str]
    out: Path
    seeds: int = 2
    iters: int | None = None
    jobs: int = 1
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    engine: Sequence[str] = ('openvino', 'onnxruntime')
    precision: Sequence[str] = ('fp32',)
    size: tuple[int, int] = (640, 360)
    threads: int | None = None
    seconds: float = 60.0
