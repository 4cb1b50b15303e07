"""Segmentors from configs and checkpoints, as they are run and no longer trained."""

import warnings
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmseg.apis import init_model
from mmseg.models import BaseSegmentor
from torch import Tensor, nn

from mmseg_bisenet_lite.errors import InputError, named
from mmseg_bisenet_lite.evaluation.threshold import set_threshold
from mmseg_bisenet_lite.pretrained import weights_file


def read_config(file: str) -> Config:
    """The config in a file.

    Raises:
        InputError: There is no such file, or it is not the config of a model.
    """
    if not Path(file).is_file():
        raise InputError(f'{file}: there is no such config')
    with named(f'{file}: not a config', OSError, SyntaxError):
        config = Config.fromfile(file)
    if 'model' not in config:
        raise InputError(f'{file}: a config without a model')
    return config


def load_segmentor(source: str, config: Config, checkpoint: str | None, threshold: str | float | None = None) -> BaseSegmentor:
    """A segmentor for inference: float32, on the host, without gradients and without the heads that only training needs.

    Args:
        source: What errors call the config.
        config: As :func:`read_config` gives it.
        checkpoint: File of the weights, or ``bisenet-lite://NAME``; ``None`` is the initial ones.
        threshold: Of the margin: ``None`` is 0, ``'best'`` the checkpoint's, or a number.

    Raises:
        InputError: The checkpoint is missing or does not fit, or the config is no segmentor's, or there is no such threshold.
    """
    if checkpoint is not None:
        weights_file(checkpoint)
    with warnings.catch_warnings():
        # The losses, which are not run, complain of their settings; the classes' names, which are not needed, may be missing.
        warnings.filterwarnings('ignore', category=UserWarning, module='mmseg')
        what = f'{source}: no segmentor can be built from this config'
        with named(what, AttributeError, KeyError, TypeError, ValueError):
            segmentor = init_model(config, None, device='cpu')
        if checkpoint is not None:
            segmentor = init_model(config, checkpoint, device='cpu')
    if checkpoint is not None and threshold is not None:
        set_threshold(segmentor, threshold, checkpoint)
    if not hasattr(segmentor, 'encode_decode'):
        raise InputError(f'{source}: {type(segmentor).__name__} is not a segmentor with encode_decode')
    if getattr(segmentor, 'auxiliary_head', None) is not None:
        segmentor.auxiliary_head = None
    return revert_sync_batchnorm(segmentor).requires_grad_(False).eval()


class Normalise(nn.Module):
    """From the frame to the image, as the ``data_preprocessor`` in a segmentor's config does it.

    Args:
        config: The segmentor's.

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
        """See ``Shape``."""
        image = frames.float().permute(0, 3, 1, 2)  # numbers first: TensorRT does nothing else with uint8
        if self.swap:
            image = image.flip(1)
        return (image - self.mean) / self.std
