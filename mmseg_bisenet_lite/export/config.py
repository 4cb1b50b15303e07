"""What is to be exported."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmseg_bisenet_lite.export.formats import FORMATS
from mmseg_bisenet_lite.utils.sizes import size_text


@dataclass(frozen=True)
class ExportConfig:
    """What is to be exported; the names are those of the options of ``tools/export.py``.

    Attributes:
        config: File.
        checkpoint: File of the weights, or ``bisenet-lite://NAME``.
        out: Folder for the files; it is made if need be.
        size: (width, height) of the frames; ``None`` is any.
        format: Keys of ``FORMATS``.
        precision: Of each format: ``'fp32'``, ``'fp16'``, ``'bf16'``, ``'int8'``.
        batch: Frames in one run; ``None`` is any number.
        margin: Whether the files give the margin too.
        threshold: Of the margin, which the files give relative to it: ``None`` is 0, ``'best'`` the checkpoint's, or a number.
        frames: Where the frames for the comparison come from, ``'val'``, ``'renders'`` or a folder.
        limit: At most so many of them; ``None`` is all.
        device: That the files are run on for the comparison, such as ``CPU`` or ``cuda:0``; ``None`` is the runtime's default.
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
        """``lite_hinge_vehicle-640x360-int8.onnx``, say."""
        batch = '' if self.batch == 1 else f'-batch{self.batch or ""}'
        threshold = f'-threshold{self.threshold:g}' if isinstance(self.threshold, float) else ''
        return f'{Path(self.config).stem}-{size_text(self.size)}{batch}{threshold}-{precision}{FORMATS[format]}'
