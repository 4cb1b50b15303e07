"""What is timed: three modules around a segmentor, each from its input to its output."""

from typing import Any

import torch
from mmseg.models import BaseSegmentor
from torch import Tensor, nn

from mmseg_bisenet_lite.models.decision import margin_of_scores, mask_of_margin
from mmseg_bisenet_lite.models.normalise import Normalise


class Forward(nn.Module):
    """From the normalised image to the score map at the image's size: what the paper times.

    Shape:
        - Input: ``(N, 3, H, W)``, in the segmentor's number type.
        - Output: ``(N, C, H, W)``, the scores of the ``C`` output channels.
    """

    def __init__(self, segmentor: BaseSegmentor) -> None:
        super().__init__()
        self.segmentor = segmentor

    def forward(self, image: Tensor) -> Tensor:
        """See ``Shape``."""
        shape = tuple(image.shape[2:])
        metas = [dict(img_shape=shape, ori_shape=shape, pad_shape=shape)] * image.shape[0]
        return self.segmentor.encode_decode(image, metas)


class Predict(Forward):
    """From the normalised image to the mask of class indices.

    Shape:
        - Input: ``(N, 3, H, W)``, in the segmentor's number type.
        - Output: ``(N, H, W)``, uint8.
    """

    def forward(self, image: Tensor) -> Tensor:
        """See ``Shape``."""
        return decide(super().forward(image), self.segmentor.decode_head)


def decide(scores: Tensor, head: Any) -> Tensor:
    """The mask of a head's scores.

    Shape:
        - Input: ``(N, 2 or 1, H, W)``.
        - Output: ``(N, H, W)``, uint8.
    """
    return mask_of_margin(margin_of_scores(scores, head.threshold))[:, 0]


class Frame(Predict):
    """From the camera's frame to the mask of class indices.

    Channel order and normalisation are those of the ``data_preprocessor`` in the segmentor's config.

    Args:
        segmentor: The segmentor as ``init_model`` makes it, in the number type that it is to run in.
        memory_format: Of the image that the segmentor gets.

    Shape:
        - Input: ``(N, H, W, 3)``, uint8, in the channel order that the ``data_preprocessor`` expects (BGR).
        - Output: ``(N, H, W)``, uint8.
    """

    def __init__(self, segmentor: BaseSegmentor, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        super().__init__(segmentor)
        self.memory_format = memory_format
        self.number_type = next(segmentor.parameters()).dtype
        # Whole numbers become fractions in single precision, whatever the segmentor runs in.
        self.normalise = Normalise(segmentor.cfg)

    def image(self, frames: Tensor) -> Tensor:
        """The normalised image, as the segmentor gets it."""
        return self.normalise(frames).to(self.number_type, memory_format=self.memory_format)

    def forward(self, frames: Tensor) -> Tensor:
        """See ``Shape``."""
        return super().forward(self.image(frames))


SCOPES: dict[str, type[Forward]] = {'forward': Forward, 'predict': Predict, 'frame': Frame}
