"""Normalise: from the camera's frame to the network's input image."""

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
    std: Tensor

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
        return (image - self.mean) / self.std
