"""Annotations of labelme 4 to 6: a JSON file for each image."""

import base64
import json
import math
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

import cv2
import numpy as np

from mmseg_bisenet_lite.conversion.shapes import Annotated, Shape, ellipse, written_by
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.files import files_below

_OUTLINES = ('polygon', 'oriented_rectangle')
_LINES = ('line', 'linestrip')


def files_in(folder: Path) -> list[Path]:
    """Return the annotation files below a folder, of those that are JSON."""
    return [file for file in files_below(folder, '*.json') if b'"shapes"' in file.read_bytes()]


def read_labelme(folder: Path, images: Path | None = None) -> Iterator[Annotated]:
    """Yield the annotated images of a folder.

    Args:
        folder: The folder.
        images: Folder of the images; the default is where each annotation says, which is beside it.

    Raises:
        InputError: A file is not as labelme writes it.
    """
    for file in files_in(folder):
        with written_by('labelme', file):
            content = json.loads(file.read_text(encoding='utf-8'))
            path = Path(*PureWindowsPath(content['imagePath']).parts)  # which takes both kinds of slashes
            image = file.parent / path if images is None else images / path.name
            name = (file.parent.relative_to(folder) / image.name).as_posix()
            shapes = [shape for each in content['shapes'] if (shape := _shape(each, f'{file}')) is not None]
            yield Annotated(name, image, (int(content['imageWidth']), int(content['imageHeight'])), shapes, str(file))


def _shape(content: dict[str, Any], where: str) -> Shape | None:
    label, kind = str(content['label']), content.get('shape_type') or 'polygon'
    points = tuple((float(x), float(y)) for x, y in content['points'])
    if kind in _OUTLINES:
        return Shape(label, (points,))
    if kind == 'rectangle':
        (left, *_, right), (top, *_, bottom) = (sorted(axis) for axis in zip(*points, strict=True))
        return Shape(label, (((left, top), (right, top), (right, bottom), (left, bottom)),))
    if kind == 'circle':
        centre, edge = points
        radius = math.dist(centre, edge)
        return Shape(label, (ellipse(centre, (radius, radius)),))
    if kind in _LINES:
        return Shape(label, line=points)
    if kind == 'mask':
        data = np.frombuffer(base64.b64decode(content['mask']), np.uint8)
        pixels = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
        if pixels is None:
            raise InputError(f'{where}: a mask of {label} is not a readable PNG; annotate it again')
        return Shape(label, pixels=pixels > 0, corner=(round(points[0][0]), round(points[0][1])))
    raise InputError(f'{where}: {label} is annotated with a {kind}, which has no area; draw it as a polygon, or delete it')
