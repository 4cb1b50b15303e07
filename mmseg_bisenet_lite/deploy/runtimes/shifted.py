"""A file that decides by another threshold than it was exported with."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.deploy.runtimes.runtime import Runtime
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.thresholds import choose_threshold


class ShiftedRuntime:
    """A loaded file whose margins are shifted to another threshold; see :class:`~mmseg_bisenet_lite.deploy.runtimes.Runtime`.

    Args:
        runtime: The loaded file.
        threshold: Threshold of the network's margin, in place of the file's: a number, in score units; or ``'best'``,
            ``'recall=R'`` or ``'precision=P'``, which the file's metadata tell.
        file: The file, for error messages.

    Raises:
        InputError: The file has no margin, or its metadata do not tell the threshold.
    """

    def __init__(self, runtime: Runtime, threshold: str | float, file: str | Path) -> None:
        metadata = runtime.metadata
        if not metadata.margin:
            raise InputError(
                f'{file}: was exported without the margin, so its threshold stays {metadata.threshold:g}; export it with '
                f'--margin, or with --threshold {threshold}'
            )
        otherwise = (
            'export it again, from best_*.pth of a training with ThresholdHook or from weights that tools/publish.py wrote; '
            'or give a number'
        )
        value = choose_threshold(threshold, metadata.best_threshold, metadata.operating_points, file, otherwise)
        self.name, self.precision = runtime.name, runtime.precision
        self.metadata = replace(metadata, threshold=value)
        self._runtime, self._shift = runtime, np.float32(value - metadata.threshold)

    def __call__(self, frames: np.ndarray) -> Sequence[np.ndarray]:
        """Run the graph."""
        _, margin = self._runtime(frames)
        margin = margin - self._shift
        return [(margin > 0).astype(np.uint8), margin]
