"""The options of an export."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmseg_bisenet_lite.export.formats import FORMATS
from mmseg_bisenet_lite.utils.sizes import size_text


@dataclass(frozen=True)
class ExportConfig:
    """The options of an export, named as the options of ``tools/export.py``.

    Attributes:
        config: Config file.
        checkpoint: Checkpoint file, or ``bisenet-lite://NAME``.
        out: Output folder, created if it is missing.
        size: (width, height) of the frames in pixels; ``None`` allows any size.
        format: Keys of ``FORMATS``.
        precision: Precisions to write each format in: ``'fp32'``, ``'fp16'``, ``'bf16'``, ``'int8'``.
        batch: Frames in one call; ``None`` allows any number.
        margin: Whether the files output the margin beside the mask.
        threshold: Margin above which a pixel is foreground: ``None`` for 0; ``'best'``, ``'recall=R'`` or ``'precision=P'``
            for the checkpoint's own; or a number. The files output the margin minus this threshold.
        frames: Frames for the parity check: ``'val'``, ``'renders'`` or a folder of images.
        limit: Largest number of these frames; ``None`` takes all.
        device: Runtime device for the parity check, such as ``CPU`` or ``cuda:0``; ``None`` is the runtime's default.
    """

    config: str
    checkpoint: str
    out: Path
    size: tuple[int, int] | None = None
    format: Sequence[str] = ('onnx',)
    precision: Sequence[str] = ('fp32',)
    batch: int | None = 1
    margin: bool = False
    threshold: str | float | None = None
    frames: str = 'val'
    limit: int | None = None
    device: str | None = None

    def file_name(self, format: str, precision: str) -> str:
        """Return the name of an exported file, such as ``lite_hinge_vehicle-640x360-int8.onnx``."""
        batch = '' if self.batch == 1 else f'-batch{self.batch or ""}'
        threshold = f'-threshold{self.threshold:g}' if isinstance(self.threshold, float) else ''
        return f'{Path(self.config).stem}-{size_text(self.size)}{batch}{threshold}-{precision}{FORMATS[format]}'
