"""Overlays: the frames with the foreground tinted."""

from typing import ClassVar

import numpy as np

from mmseg_bisenet_lite.deploy.paint import paint
from mmseg_bisenet_lite.deploy.predict.frames import Result
from mmseg_bisenet_lite.deploy.predict.outputs.writer import Picture


class Overlay(Picture):
    """Writes painted frames as JPEG, whatever the inputs are: they are for looking at, and PNG takes 17 times as long."""

    kind: ClassVar[str] = 'overlay'
    suffix: ClassVar[str] = '.jpg'

    def picture(self, result: Result) -> np.ndarray:
        """Return the painted frame."""
        return paint(result.frame.pixels, result.mask, self.setting.metadata.palette)
