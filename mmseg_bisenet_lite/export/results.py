"""What became of each exported file."""

from dataclasses import dataclass, field
from pathlib import Path

from mmseg_bisenet_lite.deploy import Metadata
from mmseg_bisenet_lite.export.parity import Parity, Predictor


@dataclass
class ExportResult:
    """What became of one file.

    Attributes:
        file: Its final name.
        metadata: What it says about itself.
        source: What frames it was compared on.
        high_precision_layers: Those of an int8 file that are not int8.
        runtime: What ran it, and what that computed in.
        parity: Its masks against MMSegmentation's; ``None`` if it could not even be run.
        error: Why it could not.
        predict: From a frame to the file's mask.
    """

    file: Path
    metadata: Metadata
    source: str
    high_precision_layers: list[str] = field(default_factory=list)
    runtime: str = ''
    parity: Parity | None = None
    error: str | None = None
    predict: Predictor | None = None

    @property
    def failure(self) -> str | None:
        """Why there is no such file; ``None`` is good."""
        return self.error or (self.parity.failure if self.parity else None)
