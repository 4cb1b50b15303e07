"""What a robot's camera meets: Corrupt with a fixed strength for tests, RandomCorrupt with drawn ones for training."""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from numpy.random import Generator

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require

DROP_HEIGHT = 15  # pixels


@dataclass(frozen=True)
class Kind:
    """One kind of corruption.

    Attributes:
        apply: Returns the corrupted photograph, from (H, W, 3), float32, BGR, 0 to 255, a strength, and where random numbers
            come from. What leaves that range is clipped afterwards.
        strengths: The two that ``tools/test_corruptions.py`` tests, the weaker one first.
        unit: The strength in words, such as ``'gain {:g}'``.
        step: Distance of the strengths that exist, counted from 1; 0 if all numbers do.
        highest: Highest strength.
        needs: The library that it needs beside OpenCV; ``None`` is none.
    """

    apply: Callable[[np.ndarray, float, Generator], np.ndarray]
    strengths: tuple[float, float]
    unit: str
    step: int = 0
    highest: float = math.inf
    needs: str | None = None

    def nearest(self, strength: float) -> float:
        """Return the strength that exists and is nearest."""
        return 1 + self.step * round((strength - 1) / self.step) if self.step else strength


def _gain(image: np.ndarray, gain: float, _: Generator) -> np.ndarray:
    return image * gain


def _blur(image: np.ndarray, sigma: float, _: Generator) -> np.ndarray:
    side = 2 * round(3 * sigma) + 1
    return cv2.GaussianBlur(image, (side, side), sigma)


def _motion(image: np.ndarray, length: float, _: Generator) -> np.ndarray:
    return cv2.blur(image, (int(length), 1))


def _noise(image: np.ndarray, sigma: float, random: Generator) -> np.ndarray:
    return image + sigma * random.standard_normal(image.shape, np.float32)


def _rain(image: np.ndarray, density: float, random: Generator) -> np.ndarray:
    drops = round(density * image[..., 0].size / 1000)
    rain = require('kornia.augmentation', 'kornia').RandomRain
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(random.integers(2**63)))
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        wet = rain(number_of_drops=(drops, drops), drop_height=(DROP_HEIGHT, DROP_HEIGHT), p=1.0)(tensor)
    return wet[0].permute(1, 2, 0).numpy() * 255


def _jpeg(image: np.ndarray, quality: float, _: Generator) -> np.ndarray:
    data = cv2.imencode('.jpg', image.round().astype(np.uint8), (cv2.IMWRITE_JPEG_QUALITY, int(quality)))[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.float32)


KINDS = {
    'dark': Kind(_gain, (0.5, 0.3), 'gain {:g}'),
    'bright': Kind(_gain, (1.5, 2.5), 'gain {:g}'),
    'blur': Kind(_blur, (1.5, 3.0), 'sigma {:g} px'),
    'motion': Kind(_motion, (9, 17), '{:g} px, sideways', step=2),
    'noise': Kind(_noise, (10, 25), 'sigma {:g} grey levels'),
    'rain': Kind(_rain, (2, 6), '{:g} drops per 1,000 px', needs='kornia'),
    'jpeg': Kind(_jpeg, (20, 7), 'quality {:g}', step=1, highest=100),
}


def kind_of(name: str) -> Kind:
    """Return a kind of corruption.

    Raises:
        InputError: There is no such kind.
    """
    if name not in KINDS:
        raise InputError(f'corruption {name!r}: choose from {", ".join(KINDS)}')
    return KINDS[name]


def require_corruption(name: str, strength: Any) -> None:
    """Raise an :class:`InputError` if there is no such kind or strength, or if its library is missing."""
    kind = kind_of(name)
    number = isinstance(strength, int | float) and not isinstance(strength, bool) and math.isfinite(strength)
    if not number or not 0 < strength <= kind.highest or kind.nearest(strength) != strength:
        wanted = {0: 'a number above 0', 1: 'a whole number from 1', 2: 'an odd number from 1'}[kind.step]
        most = f' to {kind.highest:g}' if kind.highest < math.inf else ''
        raise InputError(f'corruption {name!r}, strength {strength!r}: give {wanted}{most}')
    if kind.needs:
        require(kind.needs, kind.needs)


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
        seed: Another seed gives other noise and rain; a whole number of at least 0.

    Shape:
        - ``img``: (H, W, 3), BGR, 0 to 255, uint8 or float32; for rain at least 32 x 32.

    Raises:
        InputError: An argument is out of range, or Kornia, which draws the rain, is missing.
    """

    def __init__(self, kind: str, strength: float, seed: int = 0) -> None:
        require_corruption(kind, strength)
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise InputError(f'Corrupt(seed={seed!r}): give a whole number of at least 0')
        self.kind, self.strength, self.seed = kind, strength, seed

    def transform(self, results: dict) -> dict:
        """Replace ``img``."""
        random = np.random.default_rng([self.seed, zlib.crc32(results['img'].tobytes())])
        results['img'] = _corrupted(results['img'], KINDS[self.kind], self.strength, random)
        return results


@TRANSFORMS.register_module()
class RandomCorrupt(BaseTransform):
    """Corrupt some of the photographs, each in one way. For training; put it after the crop.

    It draws from NumPy's random numbers, as MMSegmentation's transforms do: whether, how, and how much.

    Args:
        kinds: Kinds of :class:`Corrupt`, each with the (lowest, highest) strength; all kinds are drawn equally often.
        prob: Share of the photographs that are corrupted, 0 to 1.

    Shape:
        - ``img``: as for :class:`Corrupt`.

    Raises:
        InputError: An argument is out of range, or Kornia, which draws the rain, is missing.
    """

    def __init__(self, kinds: Mapping[str, Sequence[float]], prob: float = 0.5) -> None:
        if not kinds or not isinstance(kinds, Mapping):
            raise InputError(f'RandomCorrupt(kinds={kinds!r}): give strengths such as dict(noise=(2, 20), jpeg=(10, 60))')
        if not isinstance(prob, int | float) or not 0 <= prob <= 1:
            raise InputError(f'RandomCorrupt(prob={prob!r}): give a share from 0 to 1')
        for kind, strengths in kinds.items():
            if not isinstance(strengths, Sequence) or len(strengths) != 2:
                raise InputError(f'RandomCorrupt: {kind}={strengths!r}: give (lowest, highest)')
            for strength in strengths:
                require_corruption(kind, strength)
            if strengths[0] > strengths[1]:
                raise InputError(f'RandomCorrupt: {kind}={strengths!r}: give the lowest strength first')
        self.kinds = dict(kinds)
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Replace ``img``, or leave it."""
        if np.random.random_sample() < self.prob:
            name = list(self.kinds)[np.random.randint(len(self.kinds))]
            (low, high), kind = self.kinds[name], KINDS[name]
            # Half a step more at both ends, so that they are drawn as often as what lies between.
            drawn = np.random.uniform(low - kind.step / 2, high + kind.step / 2)
            strength = min(max(kind.nearest(drawn), low), high)
            results['img'] = _corrupted(results['img'], kind, strength, np.random.default_rng(np.random.randint(2**31)))
        return results


def _corrupted(image: np.ndarray, kind: Kind, strength: float, random: Generator) -> np.ndarray:
    changed = kind.apply(image.astype(np.float32), strength, random).clip(0, 255).round()
    return changed.astype(image.dtype)
