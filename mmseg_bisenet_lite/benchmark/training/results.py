"""The results of the training benchmark."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.utils.files import write_text


@dataclass
class Results:
    """The results of the training benchmark; all times in seconds.

    Attributes:
        environment: Device and versions.
        settings: Config, batch size and image sizes.
        loader: Times of a batch on one core by augmentation and loader, one list for each round.
        step: Times of a step of ``'mmseg'`` and ``'ours'``, one list for each round.
        split: Time of each part in some steps of ``'mmseg'`` and ``'ours'``.
        iterations: (waiting for the batch, step) of each iteration of ``'mmseg'`` and ``'ours'``, by number of workers.
    """

    environment: dict[str, Any]
    settings: dict[str, Any]
    loader: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)
    step: dict[str, list[list[float]]] = field(default_factory=dict)
    split: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    iterations: dict[str, dict[int, list[tuple[float, float]]]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the results as JSON, first under a temporary name."""
        write_text(path, json.dumps(asdict(self), indent=1))
