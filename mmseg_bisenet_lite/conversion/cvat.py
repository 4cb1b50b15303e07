"""Annotations of CVAT, exported as "CVAT for images 1.1": one XML file for all images."""

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mmseg_bisenet_lite.conversion.shapes import Annotated, Shape, ellipse, name_below, turned, written_by
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import SUFFIXES

CVAT = 'annotations.xml'

_WITHOUT_AREA = ('points', 'cuboid', 'skeleton')


def read_cvat(file: Path, images: Path | None = None) -> Iterator[Annotated]:
    """Yield the annotated images of an export.

    Args:
        file: ``annotations.xml``.
        images: Folder of the images, perhaps in one folder for each subset; the default is ``images`` beside the file, or the
            file's folder.

    Raises:
        InputError: The file is not such an export.
    """
    beside = file.parent / 'images'
    folder = images or (beside if beside.is_dir() else file.parent)
    with written_by('CVAT', file):
        for _, element in ElementTree.iterparse(file):  # noqa: S314  expat limits what entities may grow to
            if element.tag == 'track':
                raise InputError(f'{file}: tracks, as of "CVAT for video"; export the task as "CVAT for images 1.1"')
            if element.tag == 'image':
                name = element.attrib['name']
                size = int(element.attrib['width']), int(element.attrib['height'])
                where = f'{file}, image {name}'
                drawn = sorted(element, key=lambda shape: int(shape.attrib.get('z_order', 0)))
                shapes = [shape for each in drawn if (shape := _shape(each, where)) is not None]
                name = _file_of(folder, name_below(name, where), element.get('subset'))
                yield Annotated(name, folder / name, size, shapes, where)
                element.clear()  # an export of many images is large


def _file_of(folder: Path, name: str, subset: str | None) -> str:
    """Return the name of an image's file: in a project it may be in the folder of its subset; of a video it has no ending."""
    names = (name, f'{subset}/{name}')
    endings = ('', *(each for suffix in SUFFIXES for each in (suffix, suffix.upper())))
    return next((each + ending for each in names for ending in endings if (folder / (each + ending)).is_file()), name)


def _shape(element: ElementTree.Element, where: str) -> Shape | None:
    kind, content = element.tag, element.attrib
    if kind == 'tag':  # of the whole image
        return None
    label = content['label']
    if kind in _WITHOUT_AREA:
        raise InputError(f'{where}: {label} is annotated with {kind}, which has no area; draw it as a polygon, or delete it')
    turn = float(content.get('rotation', 0))
    if kind == 'box':
        left, top, right, bottom = (float(content[key]) for key in ('xtl', 'ytl', 'xbr', 'ybr'))
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        return Shape(label, (turned(corners, ((left + right) / 2, (top + bottom) / 2), turn),))
    if kind == 'ellipse':
        x, y, a, b = (float(content[key]) for key in ('cx', 'cy', 'rx', 'ry'))
        return Shape(label, (ellipse((x, y), (a, b), turn),))
    if kind in ('polygon', 'polyline'):
        pairs = (point.split(',') for point in content['points'].split(';'))
        points = tuple((float(x), float(y)) for x, y in pairs)
        return Shape(label, (points,)) if kind == 'polygon' else Shape(label, line=points)
    if kind == 'mask':
        left, top, width, height = (int(content[key]) for key in ('left', 'top', 'width', 'height'))
        runs = [int(run) for run in content['rle'].split(',')]  # background first, row after row
        ends = list(accumulate(runs))
        if min(runs) < 0 or ends[-1] != width * height:
            raise InputError(f'{where}: the runs of a mask of {label} have {ends[-1]} pixels, not {width}x{height}')
        pixels = np.zeros(width * height, bool)
        for begin, end in zip(ends[::2], ends[1::2], strict=False):
            pixels[begin:end] = True
        return Shape(label, pixels=pixels.reshape(height, width), corner=(left, top))
    raise InputError(f'{where}: {kind} is no shape that CVAT for images 1.1 has')
