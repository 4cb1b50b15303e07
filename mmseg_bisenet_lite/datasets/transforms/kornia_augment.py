"""KorniaAugment: random changes of the photographs by Kornia, in a pipeline of MMSegmentation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.library import require


@TRANSFORMS.register_module()
class KorniaAugment(BaseTransform):
    """Change a photograph's pixels by transforms of ``kornia.augmentation``, one after another; the labels stay.

    It is for what MMSegmentation has no transform for, such as gamma, blur and noise. The seed of the sample determines the
    random draws, see :class:`~mmseg_bisenet_lite.SeededInfiniteSampler`.

    Args:
        augmentations: Configs of intensity transforms: ``type`` is a name in ``kornia.augmentation``, the rest its arguments,
            such as ``dict(type='RandomGamma', gamma=(0.5, 2.0), p=0.5)``. They get RGB values from 0 to 1.

    Shape:
        - ``img``: (H, W, 3), uint8, BGR.

    Raises:
        InputError: A transform is unknown, moves pixels, or does not take its arguments; or Kornia is missing.
    """

    def __init__(self, augmentations: Sequence[dict[str, Any]]) -> None:
        kornia = require('kornia.augmentation', 'kornia')
        self.augmentations = [dict(each) for each in augmentations]
        self._augment = []
        for options in self.augmentations:
            name = options.get('type')
            kind = getattr(kornia, str(name), None)
            if not (isinstance(kind, type) and issubclass(kind, kornia.IntensityAugmentationBase2D)):
                raise InputError(f'KorniaAugment: {name!r} is no intensity transform of kornia.augmentation; correct its type')
            with as_input_error(f'KorniaAugment: {name}', TypeError, ValueError, AttributeError):
                self._augment.append(kind(**{key: value for key, value in options.items() if key != 'type'}))

    @torch.no_grad()
    def transform(self, results: dict) -> dict:
        """Replace ``img``."""
        image = torch.from_numpy(np.ascontiguousarray(results['img'][..., ::-1])).permute(2, 0, 1)[None].float() / 255
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(np.random.randint(2**31)))
            for augment in self._augment:
                image = augment(image)
        pixels = (image[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        results['img'] = np.ascontiguousarray(pixels[..., ::-1])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.augmentations!r})'
