"""A stand-in for the writers."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.deploy.paint import paint
from mmseg_bisenet_lite.deploy.predict.frames import Result, Source
from mmseg_bisenet_lite.utils.errors import as_input_error
from mmseg_bisenet_lite.utils.images import write_image

KINDS = dict.fromkeys(('mask', 'overlay', 'margin', 'confidence', 'contours', 'video'))


class Outputs:
    """Pictures of the masks and of the painted frames."""

    together = False

    def __init__(
        self,
        folder: Path,
        save: Sequence[str],
        metadata: Metadata,
        overwrite: bool,
        sources: Sequence[Source],
        mask_values: str = '0/255',
        part: str | None = None,
    ) -> None:
        self._folder, self._palette, self._overwrite = folder, metadata.palette, overwrite
        self._highest = 255 if mask_values == '0/255' else 1
        self._kinds = [kind for kind in save if kind in ('mask', 'overlay')] or ['overlay']
        self._lock = threading.Lock()

    def done(self, frame_name: str, source: Source) -> bool:
        """Whether all that was asked for exists."""
        return not self._overwrite and all(self._file(frame_name, kind).exists() for kind in self._kinds)

    def write(self, result: Result) -> None:
        """Write what was asked for."""
        mask = np.where(result.mask == 1, self._highest, result.mask).astype(np.uint8)
        pictures = {'mask': mask, 'overlay': paint(result.frame.pixels, result.mask, self._palette)}
        for kind in self._kinds:
            file = self._file(result.frame.name, kind)
            with as_input_error(f'--out {self._folder}: {file.name} cannot be written', OSError):
                with self._lock:
                    file.parent.mkdir(parents=True, exist_ok=True)
                write_image(file, pictures[kind])

    def __enter__(self) -> 'Outputs':
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def _file(self, name: str, kind: str) -> Path:
        return self._folder / f'{name}.{kind}.png'
