"""Normalise: from the camera's frame to the network's input image."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


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
    def fold_into(self, network: Callable[[Tensor], Any], image: Tensor) -> None:
        """Fold the order of the channels and the division into the convolutions that take the image, in place.

        The subtraction stays, since the convolutions pad with zeros after it. If anything else takes the image too, nothing
        changes.

        Args:
            network: A function of the image; its convolutions' weights are changed.
            image: Any image that the network takes, ``(1, 3, H, W)``, to find these convolutions.
        """
        weights = _first_weights(network, image)
        if self.std is None or any(weight.shape[1] != len(self.std) for weight in weights):
            return
        for weight in weights:
            scaled = weight / self.std.to(weight)
            weight.copy_(scaled.flip(1) if self.swap else scaled)
        if weights:
            self.mean = self.mean.flip(0) if self.swap else self.mean
            self.std, self.swap = None, False


def _first_weights(network: Callable[[Tensor], Any], image: Tensor) -> Sequence[Tensor]:
    """Return the weights of the convolutions that take the image; none if anything else takes it."""
    weights: dict[int, Tensor] = {}
    others: list[Callable] = []

    class Takers(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            takes = any(each is image for each in (*args, *(kwargs or {}).values()))
            if takes and function is F.conv2d:
                weights[id(args[1])] = args[1]
            elif takes and getattr(function, '__name__', '') != '__get__':  # but reading its shape
                others.append(function)
            return function(*args, **(kwargs or {}))

    with Takers():
        network(image)
    return [] if others else list(weights.values())
