"""The scopes of the benchmark: three modules around a segmentor."""

from typing import Any

import torch
from mmseg.models import BaseSegmentor
from torch import Tensor, nn

from mmseg_bisenet_lite.models.decision import margin_of_scores, mask_of_margin
from mmseg_bisenet_lite.models.normalise import Normalise


class Forward(nn.Module):
    """From normalised image to score map at the image's size, the scope of the paper.

    Shape:
        - Input: ``(N, 3, H, W)``, the normalised image in the segmentor's number type.
        - Output: ``(N, C, H, W)``, the scores of ``C`` output channels.
    """

    def __init__(self, segmentor: BaseSegmentor) -> None:
        super().__init__()
        self.segmentor = segmentor

    def forward(self, image: Tensor) -> Tensor:
        """Run the scope; see ``Shape``."""
        shape = tuple(image.shape[2:])
        metas = [dict(img_shape=shape, ori_shape=shape, pad_shape=shape)] * image.shape[0]
        return self.segmentor.encode_decode(image, metas)


class Predict(Forward):
    """From normalised image to mask of class indices.

    Shape:
        - Input: ``(N, 3, H, W)``, the normalised image in the segmentor's number type.
        - Output: ``(N, H, W)``, uint8.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Run the scope; see ``Shape``."""
        return decide(super().forward(image), self.segmentor.decode_head)


def decide(scores: Tensor, head: Any) -> Tensor:
    """Return the mask of a head's scores.

    Shape:
        - Input: ``(N, 2 or 1, H, W)``.
        - Output: ``(N, H, W)``, uint8.
    """
    return mask_of_margin(margin_of_scores(scores, head.threshold))[:, 0]


class Frame(Predict):
    """From camera frame to mask of class indices.

    The ``data_preprocessor`` in the segmentor's config sets channel order and normalisation.

    Args:
        segmentor: The segmentor from ``init_model``, in the number type to run it in.
        memory_format: Memory format of the segmentor's input.

    Shape:
        - Input: ``(N, H, W, 3)``, uint8, in the channel order that the ``data_preprocessor`` expects (BGR).
        - Output: ``(N, H, W)``, uint8.
    """

    def __init__(self, segmentor: BaseSegmentor, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        super().__init__(segmentor)
        self.memory_format = memory_format
        self.number_type = next(segmentor.parameters()).dtype
        # Frames are normalised in float32, whatever the segmentor's number type.
        self.normalise = Normalise(segmentor.cfg)

    def image(self, frames: Tensor) -> Tensor:
        """Return the segmentor's input, the normalised image."""
        return self.normalise(frames).to(self.number_type, memory_format=self.memory_format)

    def forward(self, frames: Tensor) -> Tensor:
        """Run the scope; see ``Shape``."""
        return super().forward(self.image(frames))


SCOPES: dict[str, type[Forward]] = {'forward': Forward, 'predict': Predict, 'frame': Frame}
