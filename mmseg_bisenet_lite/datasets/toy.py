"""A toy street data set in Cityscapes' layout: rendered, seeded, and learnable in minutes on a CPU.

Vehicles and people stand on a street in perspective. They have random colours, so only their shapes distinguish them. Skips,
post boxes, signs, bushes and painted hoardings look a little like them and are background.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from mmseg_bisenet_lite.datasets.cityscapes import LABEL_IDS, TRAIN_IDS
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import write_image
from mmseg_bisenet_lite.utils.scratch import scratch_folder

ID = {name: value for value, name in LABEL_IDS.items()} | {'ego vehicle': 1}
SUPERSAMPLING = 2  # scenes are drawn this much larger, then scaled down, for soft edges
RECIPE = 'toy.json'  # file in the data set's folder with the arguments that it was made from

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]


class Canvas:
    """An image and its label map, with functions that draw on both in the unit square of an object.

    The current object's square has its lower left corner at ``foot`` and sides of ``size`` pixels; x points right, y up.
    """

    def __init__(self, width: int, height: int) -> None:
        self.image = np.zeros((height, width, 3), np.uint8)  # BGR
        self.label = np.zeros((height, width), np.uint8)  # Cityscapes label ids
        self.foot, self.size, self.mirrored = (0.0, float(height)), (float(width), float(height)), False

    def place(self, foot: tuple[float, float], size: tuple[float, float], mirrored: bool = False) -> None:
        """Set the square that the following shapes are drawn in."""
        self.foot, self.size, self.mirrored = foot, size, mirrored

    def polygon(self, points: Points, colour: Colour, name: str | None) -> None:
        """Fill a polygon; without a name, the labels below it stay."""
        corners = np.array([self._pixel(x, y) for x, y in points], np.int32)
        cv2.fillPoly(self.image, [corners], colour)
        if name:
            cv2.fillPoly(self.label, [corners], ID[name])

    def box(self, left: float, bottom: float, right: float, top: float, colour: Colour, name: str | None) -> None:
        """Fill a rectangle."""
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], colour, name)

    def disc(self, x: float, y: float, radius: float, colour: Colour, name: str | None, ring: bool = False) -> None:
        """Fill a circle with a radius in units of the square's height; or draw a ring, whose inside gets the label too."""
        thickness = max(1, round(0.03 * self.size[1])) if ring else cv2.FILLED
        pixels = max(1, round(radius * self.size[1]))
        cv2.circle(self.image, self._pixel(x, y), pixels, colour, thickness)
        if name:
            cv2.circle(self.label, self._pixel(x, y), pixels, ID[name], cv2.FILLED)

    def _pixel(self, x: float, y: float) -> tuple[int, int]:
        x = 1 - x if self.mirrored else x
        return round(self.foot[0] + x * self.size[0]), round(self.foot[1] - y * self.size[1])


def _car(canvas: Canvas, paint: Colour, glass: Colour, rng: np.random.Generator) -> None:
    canvas.polygon([(0, 0.15), (1, 0.15), (1, 0.5), (0.82, 0.58), (0.68, 1), (0.25, 1), (0.1, 0.58), (0, 0.5)], paint, 'car')
    canvas.polygon([(0.16, 0.58), (0.28, 0.93), (0.45, 0.93), (0.45, 0.58)], glass, None)
    canvas.polygon([(0.49, 0.58), (0.49, 0.93), (0.65, 0.93), (0.76, 0.58)], glass, None)
    canvas.box(0.95, 0.35, 1, 0.47, (120, 220, 250), None)
    canvas.box(0, 0.35, 0.04, 0.47, (40, 40, 220), None)
    _wheels(canvas, (0.2, 0.8), 0.19, 'car')


def _truck(canvas: Canvas, paint: Colour, glass: Colour, rng: np.random.Generator) -> None:
    canvas.box(0, 0.15, 0.68, 1, _tint(paint, 0.8), 'truck')
    for left in np.arange(0.03, 0.66, 0.06):
        canvas.box(left, 0.2, left + 0.02, 0.95, _tint(paint, 0.6), None)
    canvas.polygon([(0.7, 0.15), (1, 0.15), (1, 0.45), (0.94, 0.75), (0.7, 0.75)], paint, 'truck')
    canvas.polygon([(0.8, 0.45), (0.97, 0.45), (0.92, 0.7), (0.8, 0.7)], glass, None)
    _wheels(canvas, (0.15, 0.3, 0.85), 0.13, 'truck')


def _bus(canvas: Canvas, paint: Colour, glass: Colour, rng: np.random.Generator) -> None:
    canvas.box(0, 0.12, 1, 1, paint, 'bus')
    for left in np.arange(0.04, 0.9, 0.16):
        canvas.box(left, 0.5, left + 0.12, 0.85, glass, None)
        canvas.box(left + 0.03, 0.2, left + 0.05, 0.42, _tint(paint, 0.6), None)
        canvas.box(left + 0.09, 0.2, left + 0.11, 0.42, _tint(paint, 0.6), None)
    _wheels(canvas, (0.18, 0.8), 0.12, 'bus')


def _wheels(canvas: Canvas, positions: Sequence[float], radius: float, name: str) -> None:
    for x in positions:
        canvas.disc(x, radius, radius, (25, 25, 25), name)
        canvas.disc(x, radius, radius / 2, (150, 150, 150), name)


def _person(canvas: Canvas, paint: Colour, glass: Colour, rng: np.random.Generator, name: str = 'person') -> None:
    skin, trousers = _tint((150, 185, 230), rng.uniform(0.35, 1)), _colour(rng)
    stride = rng.uniform(0.05, 0.25)
    for side in (-1, 1):
        canvas.polygon(
            [(0.5 + side * 0.02, 0.5), (0.5 + side * 0.2, 0.5), (0.5 + side * (0.1 + stride), 0), (0.5 + side * stride, 0)],
            trousers,
            name,
        )
        canvas.polygon(
            [(0.5 + side * 0.2, 0.82), (0.5 + side * 0.3, 0.8), (0.5 + side * 0.42, 0.48), (0.5 + side * 0.32, 0.47)],
            paint,
            name,
        )
    canvas.polygon([(0.27, 0.45), (0.73, 0.45), (0.75, 0.83), (0.25, 0.83)], paint, name)
    canvas.disc(0.5, 0.91, 0.085, skin, name)


def _rider(canvas: Canvas, paint: Colour, glass: Colour, rng: np.random.Generator) -> None:
    foot, size = canvas.foot, canvas.size
    for x in (0.22, 0.78):
        canvas.disc(x, 0.2, 0.19, (30, 30, 30), 'bicycle', ring=True)
    canvas.polygon(
        [(0.22, 0.2), (0.45, 0.45), (0.7, 0.45), (0.78, 0.2), (0.74, 0.2), (0.66, 0.4), (0.48, 0.4)], paint, 'bicycle'
    )
    canvas.place((foot[0] + 0.25 * size[0], foot[1] - 0.25 * size[1]), (0.5 * size[0], 0.75 * size[1]), canvas.mirrored)
    _person(canvas, _colour(rng), glass, rng, 'rider')


def _skip(canvas: Canvas, paint: Colour, glass: Colour, rng: np.random.Generator) -> None:
    canvas.polygon([(0.08, 0), (0.92, 0), (1, 0.75), (0, 0.75)], paint, 'wall')
    canvas.box(0, 0.68, 1, 0.78, _tint(paint, 0.7), 'wall')


def _post_box(canvas: Canvas, paint: Colour, glass: Colour, rng: np.random.Generator) -> None:
    canvas.box(0.45, 0, 0.55, 0.5, (90, 90, 90), 'pole')
    canvas.box(0.25, 0.35, 0.75, 0.8, paint, 'pole')


def _sign(canvas: Canvas, paint: Colour, glass: Colour, rng: np.random.Generator) -> None:
    canvas.box(0.45, 0, 0.55, 0.8, (110, 110, 110), 'pole')
    canvas.disc(0.5, 0.87, 0.13, paint, 'traffic sign')
    canvas.disc(0.5, 0.87, 0.08, (235, 235, 235), 'traffic sign')


def _bush(canvas: Canvas, paint: Colour, glass: Colour, rng: np.random.Generator) -> None:
    for _ in range(8):
        green = _tint((60, 130, 70), rng.uniform(0.6, 1.2))
        canvas.disc(rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.6), rng.uniform(0.15, 0.3), green, 'vegetation')


def _hoarding(canvas: Canvas, paint: Colour, glass: Colour, rng: np.random.Generator) -> None:
    canvas.box(0, 0.1, 1, 1, (200, 205, 210), 'fence')
    canvas.box(0.1, 0.3, 0.9, 0.6, paint, 'fence')
    canvas.box(0.25, 0.6, 0.7, 0.85, paint, 'fence')


Draw = Callable[[Canvas, Colour, Colour, np.random.Generator], None]

# Drawing function, height and width of a nearby object in image heights, and range of the number of objects in a scene.
OBJECTS: tuple[tuple[Draw, float, float, tuple[int, int]], ...] = (
    (_car, 0.3, 0.66, (2, 5)),
    (_truck, 0.5, 1.0, (0, 2)),
    (_bus, 0.5, 1.2, (0, 2)),
    (_person, 0.45, 0.18, (2, 5)),
    (_rider, 0.48, 0.4, (0, 2)),
    (_skip, 0.24, 0.45, (0, 2)),
    (_post_box, 0.32, 0.16, (0, 2)),
    (_sign, 0.45, 0.15, (0, 2)),
    (_bush, 0.3, 0.4, (0, 2)),
    (_hoarding, 0.4, 0.55, (0, 1)),
)
ON_THE_ROAD = (_car, _truck, _bus, _rider)
DULL = (_skip, _post_box, _hoarding)  # in the colours of rust, stone and earth


def render_scene(rng: np.random.Generator, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Render a street scene.

    Args:
        rng: Generator of all random numbers.
        width: Width of the image in pixels.
        height: Height of the image in pixels.

    Shape:
        - Output: the image (height, width, 3), uint8 BGR, and Cityscapes label ids (height, width), uint8.
    """
    canvas = Canvas(width * SUPERSAMPLING, height * SUPERSAMPLING)
    horizon = rng.uniform(0.5, 0.6)  # as a share of the height, from the bottom
    _background(canvas, horizon, rng)
    whole = canvas.foot, canvas.size
    drawings = [(draw, h, w) for draw, h, w, (low, high) in OBJECTS for _ in range(rng.integers(low, high + 1))]
    distances = np.sort(rng.uniform(0.2, 1, len(drawings)) ** 1.5)  # 0 at the horizon, 1 at the camera; far objects first
    for nearness, index in zip(distances, rng.permutation(len(drawings)), strict=True):
        draw, object_height, object_width = drawings[index]
        scale = canvas.image.shape[0] * nearness * rng.uniform(0.85, 1.15)
        size = (scale * object_width, scale * object_height)
        spread = 0.35 if draw in ON_THE_ROAD else 0.55  # largest distance from the middle, in image widths
        x = whole[1][0] * (0.5 + rng.uniform(-spread, spread)) - size[0] / 2
        y = whole[1][1] * (1 - horizon * (1 - nearness))
        canvas.place((x, y), size, mirrored=bool(rng.integers(2)))
        canvas.polygon([(0.02, -0.03), (0.98, -0.03), (0.9, 0.05), (0.1, 0.05)], (45, 45, 45), None)  # its shadow
        paint = _tint((90, 110, 130), rng.uniform(0.5, 1.6)) if draw in DULL else _colour(rng)
        draw(canvas, paint, _tint((110, 90, 70), rng.uniform(0.5, 1.5)), rng)
    canvas.place(*whole)
    canvas.polygon([(0.2, 0), (0.8, 0), (0.7, 0.05), (0.5, 0.07), (0.3, 0.05)], (30, 30, 30), 'ego vehicle')

    image = cv2.resize(canvas.image, (width, height), interpolation=cv2.INTER_AREA).astype(np.float64)
    image = 255 * (image / 255) ** rng.uniform(0.7, 1.4) * rng.uniform(0.85, 1.15, 3)  # exposure and white balance
    image += rng.normal(0, rng.uniform(2, 8), image.shape)
    return image.clip(0, 255).astype(np.uint8), cv2.resize(canvas.label, (width, height), interpolation=cv2.INTER_NEAREST)


def _background(canvas: Canvas, horizon: float, rng: np.random.Generator) -> None:
    top, bottom = np.array(_tint((235, 190, 140), rng.uniform(0.6, 1))), np.array([235, 230, 225])
    steps = np.linspace(0, 1, canvas.image.shape[0])[:, None, None]
    canvas.image[:] = (top * (1 - steps) + bottom * steps).astype(np.uint8)
    canvas.label[:] = ID['sky']
    left = 0.0
    while left < 1:
        right, roof = left + rng.uniform(0.08, 0.25), horizon + rng.uniform(0.1, 0.45)
        wall = _tint((150, 160, 175), rng.uniform(0.5, 1.2))
        canvas.box(left, horizon - 0.1, right, roof, wall, 'building')
        for y in np.arange(horizon + 0.05, roof - 0.05, 0.08):
            for x in np.arange(left + 0.01, right - 0.02, 0.03):
                canvas.box(x, y, x + 0.015, y + 0.04, _tint(wall, 0.6), None)
        left = right + rng.choice([0.0, 0.05])
    for _ in range(rng.integers(0, 4)):
        x, crown = rng.uniform(0, 1), rng.uniform(0.08, 0.16)
        canvas.box(x - 0.006, horizon - 0.05, x + 0.006, horizon + 0.2, (50, 70, 90), 'vegetation')
        canvas.disc(x, horizon + 0.25, crown, _tint((60, 120, 70), rng.uniform(0.6, 1.2)), 'vegetation')
    canvas.box(0, 0, 1, horizon, _tint((160, 165, 170), rng.uniform(0.8, 1.1)), 'sidewalk')
    vanishing = rng.uniform(0.4, 0.6)
    road = [(-0.35, 0), (1.35, 0), (vanishing + 0.06, horizon), (vanishing - 0.06, horizon)]
    canvas.polygon(road, _tint((95, 95, 95), rng.uniform(0.7, 1.2)), 'road')
    for near, far in ((0.0, 0.1), (0.2, 0.32), (0.45, 0.6)):  # lane markings, as shares of the way to the horizon
        a, b = horizon * near, horizon * far
        x, y = 0.5 + (vanishing - 0.5) * near, 0.5 + (vanishing - 0.5) * far
        canvas.polygon([(x - 0.012, a), (x + 0.012, a), (y + 0.006, b), (y - 0.006, b)], (225, 225, 225), None)


def _colour(rng: np.random.Generator) -> Colour:
    blue, green, red = rng.integers(20, 240, 3).tolist()
    return blue, green, red


def _tint(colour: Colour, factor: float) -> Colour:
    blue, green, red = (min(255, round(channel * factor)) for channel in colour)
    return blue, green, red


def write_toy_cityscapes(
    out: Path,
    size: tuple[int, int] = (384, 192),
    images: tuple[int, int] = (128, 24),
    seed: int = 0,
    progress: Callable[[Sequence], Sequence] = lambda tasks: tasks,
) -> bool:
    """Write the data set, unless ``out`` holds the same data set already.

    Args:
        out: Folder to create; it gets its name only when it is complete.
        size: (width, height) of the images.
        images: Numbers of images for train and for val.
        seed: Random seed; the same seed gives the same files.
        progress: Function that wraps the list of images, to show the progress.

    Returns:
        Whether anything was written.

    Raises:
        InputError: ``out`` exists and is not this data set.
    """
    recipe = dict(size=list(size), images=list(images), seed=seed, renderer=1)
    if out.exists():
        made_from = out / RECIPE
        if made_from.is_file() and json.loads(made_from.read_text()) == recipe:
            return False
        raise InputError(f'{out} exists and is not this toy data set; choose another folder, or remove it')
    train_ids = np.full(256, 255, np.uint8)
    for train_id, name in TRAIN_IDS.items():
        train_ids[ID[name]] = train_id

    out.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(out.parent, f'.{out.name}-') as scratch:
        temporary = scratch / out.name
        temporary.mkdir()
        splits = [(split, index) for split, count in zip(('train', 'val'), images, strict=True) for index in range(count)]
        for split, index in progress(splits):
            rng = np.random.default_rng([seed, split == 'val', index])
            image, label = render_scene(rng, *size)
            stem = f'toyville_{index:06d}_000019'
            for kind, suffix, pixels in (
                ('leftImg8bit', 'leftImg8bit', image),
                ('gtFine', 'gtFine_labelIds', label),
                ('gtFine', 'gtFine_labelTrainIds', cv2.LUT(label, train_ids)),
            ):
                path = temporary / kind / split / 'toyville' / f'{stem}_{suffix}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                write_image(path, pixels)
        (temporary / RECIPE).write_text(json.dumps(recipe))
        temporary.rename(out)
    return True
