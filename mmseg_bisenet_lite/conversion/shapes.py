"""What annotation tools hold, whichever it is: images with labelled shapes; and masks drawn from them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PureWindowsPath

import numpy as np

from mmseg_bisenet_lite.utils.errors import InputError, first_line
from mmseg_bisenet_lite.utils.library import require

Point = tuple[float, float]  # (x, y) in pixels; (0, 0) is the image's corner, not the middle of its first pixel

FURTHEST = 1e6  # coordinate in pixels that no image reaches


@dataclass(frozen=True)
class Shape:
    """A labelled region: polygons, whose union it is, or a line, or the pixels themselves.

    Attributes:
        label: Its label.
        polygons: Its outlines.
        line: A line without a width.
        pixels: Its pixels, (height, width), bool, from ``corner`` on.
        corner: (x, y) of the first of ``pixels``.
    """

    label: str
    polygons: tuple[tuple[Point, ...], ...] = ()
    line: tuple[Point, ...] = ()
    pixels: np.ndarray | None = None
    corner: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Annotated:
    """An image with its shapes.

    Attributes:
        name: Name of the image, relative to its folder, as the annotation has it.
        image: The file.
        size: (width, height) for which the shapes are.
        shapes: In the order in which they are drawn: later ones cover earlier ones.
        source: Where the annotation stands, for errors.
    """

    name: str
    image: Path
    size: tuple[int, int]
    shapes: Sequence[Shape]
    source: str


def name_below(text: str, source: str) -> str:
    """Return the name of an image as a path below its folder, with ``/``, whatever path an annotation has for it.

    Raises:
        InputError: There is no name.
    """
    path = PureWindowsPath(text)  # which takes both kinds of slashes
    parts = [part for part in path.parts if part not in (path.anchor, '..', '.')]
    if not parts:
        raise InputError(f'{source}: {text!r} is no name of an image')
    return '/'.join(parts)


@contextmanager
def written_by(tool: str, file: Path) -> Iterator[None]:
    """Turn what is raised by a file that is not as a tool writes it into an :class:`InputError` of one line."""
    wrong = f'{file}: not as {tool} writes it'
    try:
        yield
    except InputError:
        raise
    except KeyError as error:
        raise InputError(f'{wrong}: {error} is missing or unknown') from error
    except (TypeError, ValueError, AttributeError, IndexError, SyntaxError) as error:
        raise InputError(f'{wrong}: {first_line(error)}') from error


def ellipse(centre: Point, radii: Point, degrees: float = 0.0) -> tuple[Point, ...]:
    """Return an ellipse as a polygon of 72 points; ``degrees`` turn it clockwise in the image."""
    (x, y), (a, b) = centre, radii
    around = (math.radians(step) for step in range(0, 360, 5))
    return turned(tuple((x + a * math.cos(angle), y + b * math.sin(angle)) for angle in around), centre, degrees)


def turned(points: Sequence[Point], centre: Point, degrees: float) -> tuple[Point, ...]:
    """Return points that are turned around a centre, clockwise in the image."""
    (x, y), (cos, sin) = centre, (math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    return tuple((x + (a - x) * cos - (b - y) * sin, y + (a - x) * sin + (b - y) * cos) for a, b in points)


def stroke(line: Sequence[Point], width: float) -> list[tuple[Point, ...]]:
    """Return the polygons of a line of this width: a rectangle for each part, and a disc at each point."""
    half = width / 2
    polygons = [ellipse(point, (half, half)) for point in line]
    for (x, y), (a, b) in pairwise(line):
        if length := math.hypot(a - x, b - y):
            across, down = half * (b - y) / length, half * (x - a) / length
            polygons.append(((x + across, y + down), (a + across, b + down), (a - across, b - down), (x - across, y - down)))
    return polygons


def draw(annotated: Annotated, values: Mapping[str, int], line_width: float | None = None) -> np.ndarray:
    """Return the mask of an image.

    A pixel belongs to a polygon as pycocotools decides it, so areas are right on average. OpenCV's and Pillow's polygons have
    all pixels that the outline touches too: they make a crack that is three pixels wide a third wider.

    Args:
        annotated: The image.
        values: Value of each label; 0 is the background, and where nothing is.
        line_width: Width of lines in pixels.

    Shape:
        - Output: (height, width), uint8.

    Raises:
        InputError: A shape is not one, or there are lines and no width.
    """
    width, height = annotated.size
    mask = np.zeros((height, width), np.uint8)
    for shape in annotated.shapes:
        value = values[shape.label]
        where = f'{annotated.source}: a shape of {shape.label}'
        points = [point for outline in (*shape.polygons, shape.line) for point in outline]
        if any(not abs(number) < FURTHEST for point in points for number in point):
            raise InputError(f'{where} has a coordinate that is no number or far away; correct it')
        if any(len(polygon) < 3 for polygon in shape.polygons):
            raise InputError(f'{where} is a polygon of fewer than 3 points; correct or delete it')
        if shape.line and line_width is None:
            raise InputError(f'{where} is a line, which has no area; give --line-width PIXELS')
        if polygons := (*shape.polygons, *stroke(shape.line, line_width or 0.0)):
            coco = require('pycocotools.mask', 'pycocotools')
            flat = [[number for point in polygon for number in point] for polygon in polygons]
            mask[coco.decode(coco.merge(coco.frPyObjects(flat, height, width))) > 0] = value
        if shape.pixels is not None:
            left, top = shape.corner
            rows, columns = shape.pixels.shape
            if not (0 <= left <= width - columns and 0 <= top <= height - rows):
                raise InputError(f'{where} goes beyond its image of {width}x{height}; correct it')
            mask[top : top + rows, left : left + columns][shape.pixels] = value
    return mask
