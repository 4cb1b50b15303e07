"""Normalise: from the camera's frame to the network's input image."""

from collections.abc import Sequence

import torch
from mmengine.config import Config
from torch import Tensor, nn


class Normalise(nn.Module):
    """Normalise a frame as the ``data_preprocessor`` in a segmentor's config does.

    Args:
        config: Config of the segmentor.

    Shape:
        - Input: ``(N, H, W, 3)``, uint8, in the channel order that the ``data_preprocessor`` expects (BGR).
        - Output: ``(N, 3, H, W)``, float32, channels last in memory.
    """

    mean: Tensor
    std: Tensor | None

    def __init__(self, config: Config) -> None:
        super().__init__()
        settings = config.model.get('data_preprocessor') or {}
        self.swap = bool(settings.get('bgr_to_rgb') or settings.get('rgb_to_bgr'))
        for name, default in (('mean', 0.0), ('std', 1.0)):
            self.register_buffer(name, torch.tensor(settings.get(name) or [default] * 3).float().view(3, 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """Normalise the frames; see ``Shape``."""
        image = frames.float().permute(0, 3, 1, 2)  # float first: TensorRT can only cast uint8
        if self.swap:
            image = image.flip(1)
        image = image - self.mean
        return image if self.std is None else image / self.std

    @torch.no_grad()
    def fold_into(self, convolutions: Sequence[nn.Conv2d]) -> None:
        """Fold the order of the channels and the division into convolutions, in place.

        The subtraction stays, since the convolutions pad with zeros after it.

        Args:
            convolutions: All that takes the image, see
                :func:`~mmseg_bisenet_lite.models.convolutions.first_convolutions`; if there are none, or one of them takes
                channels apart, nothing changes.
        """
        if self.std is None or not convolutions or any(each.groups > 1 for each in convolutions):
            return
        for each in convolutions:
            scaled = each.weight / self.std.to(each.weight)
            each.weight.copy_(scaled.flip(1) if self.swap else scaled)
        self.mean = self.mean.flip(0) if self.swap else self.mean
        self.std, self.swap = None, False
