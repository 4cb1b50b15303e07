"""What a robot's camera meets: Corrupt with a fixed strength for tests, RandomCorrupt with drawn ones for training."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require

DROP_HEIGHT = 15  # pixels


@dataclass(frozen=True)
class Kind:
    """One kind of corruption.

    Attributes:
        apply: Returns the corrupted photograph, from (1, 3, height, width), RGB, 0 to 1, and a strength; the values that
            leave that range are clipped afterwards.
        strengths: The two that ``tools/test_corruptions.py`` tests, the weaker one first.
        unit: The strength in words, such as ``'gain {:g}'``.
    """

    apply: Callable[[torch.Tensor, float], torch.Tensor]
    strengths: tuple[float, float]
    unit: str


def _gain(image: torch.Tensor, gain: float) -> torch.Tensor:
    return image * gain


def _blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    side = 2 * round(3 * sigma) + 1
    return require('kornia.filters', 'kornia').gaussian_blur2d(image, side, (sigma, sigma))


def _motion(image: torch.Tensor, length: float) -> torch.Tensor:
    return require('kornia.filters', 'kornia').motion_blur(image, int(length), angle=0.0, direction=0.0)


def _noise(image: torch.Tensor, sigma: float) -> torch.Tensor:
    return image + torch.randn_like(image) * sigma / 255


def _rain(image: torch.Tensor, density: float) -> torch.Tensor:
    drops = round(density * image[0, 0].numel() / 1000)
    rain = require('kornia.augmentation', 'kornia').RandomRain
    return rain(number_of_drops=(drops, drops), drop_height=(DROP_HEIGHT, DROP_HEIGHT), p=1.0)(image)


def _jpeg(image: torch.Tensor, quality: float) -> torch.Tensor:
    _, data = cv2.imencode('.jpg', _pixels(image), (cv2.IMWRITE_JPEG_QUALITY, int(quality)))
    return _tensor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)))


KINDS = {
    'dark': Kind(_gain, (0.5, 0.3), 'gain {:g}'),
    'bright': Kind(_gain, (1.5, 2.5), 'gain {:g}'),
    'blur': Kind(_blur, (1.5, 3.0), 'sigma {:g} px'),
    'motion': Kind(_motion, (9, 17), '{:g} px, sideways'),
    'noise': Kind(_noise, (10, 25), 'sigma {:g} grey levels'),
    'rain': Kind(_rain, (2, 6), '{:g} drops per 1,000 px'),
    'jpeg': Kind(_jpeg, (20, 7), 'quality {:g}'),
}


# Kinds whose strength is a whole number, and how a drawn one becomes that: the nearest odd length, the nearest quality.
_WHOLE: dict[str, Callable[[float], int]] = {'motion': lambda length: 2 * round((length - 1) / 2) + 1, 'jpeg': round}


@TRANSFORMS.register_module()
class Corrupt(BaseTransform):
    """Corrupt a photograph as a robot's camera meets it. For tests; put it right after the photograph's loader.

    The random draws follow from the photograph's pixels and the seed alone. So the same photograph is the same after it
    everywhere, in any order and with any number of workers, and no other random number changes.

    Args:
        kind: ``'dark'`` and ``'bright'``: all values times ``strength``, a gain, clipped at white; ``'blur'``: Gaussian, with
            this standard deviation in pixels; ``'motion'``: the mean over so many pixels side by side, an odd number, as while
            the camera turns; ``'noise'``: Gaussian, of each pixel and channel, with this standard deviation in grey levels
            of 255; ``'rain'``: so many opaque grey lines per 1,000 pixels, 15 pixels high and 1 wide, whose slant is that of
            the photograph; ``'jpeg'``: saved with this quality, 1 to 100.
        strength: Above 0, in the kind's unit. Lengths are in pixels of the photograph as it is loaded.
        seed: Another seed gives other noise and rain.

    Shape:
        - ``img``: (H, W, 3), BGR, 0 to 255, uint8 or float32; at least 32 x 32.

    Raises:
        InputError: An argument is out of range, or Kornia is missing.
    """

    def __init__(self, kind: str, strength: float, seed: int = 0) -> None:
        if kind not in KINDS:
            raise InputError(f'Corrupt(kind={kind!r}): choose from {", ".join(KINDS)}')
        fits = strength > 0 and (kind != 'motion' or strength % 2 == 1) and (kind != 'jpeg' or strength in range(1, 101))
        if not fits:
            wanted = {'motion': 'an odd number of pixels', 'jpeg': 'a quality from 1 to 100'}.get(kind, 'a number above 0')
            raise InputError(f'Corrupt(kind={kind!r}, strength={strength!r}): give {wanted}')
        require('kornia', 'kornia')
        self.kind, self.strength, self.seed = kind, strength, seed

    def transform(self, results: dict) -> dict:
        """Replace ``img``."""
        image = results['img']
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(zlib.crc32(image.tobytes(), self.seed))
            corrupted = KINDS[self.kind].apply(_tensor(image), self.strength)
        results['img'] = _pixels(corrupted).astype(image.dtype)
        return results


@TRANSFORMS.register_module()
class RandomCorrupt(BaseTransform):
    """Corrupt some of the photographs, each in one way. For training; put it after the crop.

    It draws from NumPy's random numbers alone, as MMSegmentation's transforms do: whether, how, and how much.

    Args:
        kinds: Kinds of ``Corrupt``, each with the (lowest, highest) strength; all kinds are drawn equally often.
        prob: Share of the photographs that are corrupted, 0 to 1.

    Shape:
        - ``img``: (H, W, 3), BGR, 0 to 255, uint8 or float32; at least 32 x 32.

    Raises:
        InputError: An argument is out of range, or Kornia is missing.
    """

    def __init__(self, kinds: Mapping[str, tuple[float, float]], prob: float = 0.5) -> None:
        if not kinds:
            raise InputError(f'RandomCorrupt(kinds={kinds!r}): give at least one of {", ".join(KINDS)}')
        if not 0 <= prob <= 1:
            raise InputError(f'RandomCorrupt(prob={prob!r}): give a share from 0 to 1')
        for kind, strengths in kinds.items():
            if not isinstance(strengths, Sequence) or len(strengths) != 2 or strengths[0] > strengths[1]:
                raise InputError(f'RandomCorrupt: {kind}={strengths!r} is not (lowest, highest)')
            for strength in strengths:
                Corrupt(kind, strength)
        self.kinds, self.prob = dict(kinds), prob

    def transform(self, results: dict) -> dict:
        """Replace ``img``, or leave it."""
        if np.random.random_sample() >= self.prob:
            return results
        kind = np.random.choice(list(self.kinds))
        strength = np.random.uniform(*self.kinds[kind])
        whole = _WHOLE.get(kind)
        return Corrupt(kind, whole(strength) if whole else strength, np.random.randint(2**31)).transform(results)


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image[..., ::-1], np.float32)).permute(2, 0, 1)[None] / 255


def _pixels(image: torch.Tensor) -> np.ndarray:
    values = (image[0].permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(values.numpy()[..., ::-1])
