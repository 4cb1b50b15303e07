"""What to check."""

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class CheckConfig:
    """What to check.

    Attributes:
        source: A config with data sets, or a folder with ``train``, ``trainannot``, ``val`` and ``valannot``.
        out: Folder for findings and contact sheets, created if needed; ``None`` writes nothing.
        workers: Number of threads that read files.
        similar: Whether to look for photographs that are nearly the same, and for splits of one recording.
    """

    source: Path
    out: Path | None = None
    workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    similar: bool = True
