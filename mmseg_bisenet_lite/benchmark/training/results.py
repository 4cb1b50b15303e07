"""What the benchmark of a training found."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.utils.files import write_text


@dataclass
class Results:
    """What was found; all times in seconds.

    Attributes:
        environment: Device and versions.
        settings: Config, batch and sizes, as they were.
        loader: For each augmentation and loader the times of a batch on one core, one list for each round.
        step: The times of ``'mmseg'``'s and our step, one list for each round.
        split: For both, of some steps, the time of each part.
        iterations: For both, by the number of workers, (waited for the batch, step) of each iteration.
    """

    environment: dict[str, Any]
    settings: dict[str, Any]
    loader: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)
    step: dict[str, list[list[float]]] = field(default_factory=dict)
    split: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    iterations: dict[str, dict[int, list[tuple[float, float]]]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write everything as JSON, first under a temporary name."""
        write_text(path, json.dumps(asdict(self), indent=1))
