"""What to check."""

from dataclasses import dataclass, field
from pathlib import Path

from mmseg_bisenet_lite.utils.cpu import usable_cores


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
    workers: int = field(default_factory=usable_cores)
    similar: bool = True
