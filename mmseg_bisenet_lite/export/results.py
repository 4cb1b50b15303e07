"""The result for each exported file."""

from dataclasses import dataclass, field
from pathlib import Path

from mmseg_bisenet_lite.deploy import Metadata
from mmseg_bisenet_lite.export.parity import Parity, Predictor


@dataclass
class ExportResult:
    """The result for one exported file.

    Attributes:
        file: Final path of the file.
        metadata: Metadata in the file.
        source: Name of the frames for the parity check.
        high_precision_layers: Layers of an int8 file that are not int8.
        runtime: Runtime and precision in the parity check, such as ``'onnxruntime, fp32'``.
        parity: The comparison with MMSegmentation; ``None`` if the file could not be written or loaded.
        error: Why it could not be written or loaded.
        previous: Whether an earlier file of this name lay there and is now ``FILE.previous``.
        predict: Function from a frame to the file's mask.
    """

    file: Path
    metadata: Metadata
    source: str
    high_precision_layers: list[str] = field(default_factory=list)
    runtime: str = ''
    parity: Parity | None = None
    error: str | None = None
    previous: bool = False
    predict: Predictor | None = None

    @property
    def failure(self) -> str | None:
        """Why the file was not saved; ``None`` if it was."""
        return self.error or (self.parity.failure if self.parity else None)
