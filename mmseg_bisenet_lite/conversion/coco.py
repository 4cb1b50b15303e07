"""Annotations in COCO's format, which most annotation tools export: one JSON file for all images."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.conversion.shapes import Annotated, Shape, name_below, written_by
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require


def read_coco(file: Path, images: Path | None = None) -> Iterator[Annotated]:
    """Yield the annotated images of a file with polygons or run lengths.

    Args:
        file: The JSON file.
        images: Folder of the images; the default is ``images`` beside the file, or the file's folder, or those of the folder
            above, as CVAT lays it out.

    Raises:
        InputError: The file is not in COCO's format, or an annotation is a box only.
    """
    with written_by('COCO', file):
        content = json.loads(file.read_text(encoding='utf-8'))
        labels = {category['id']: str(category['name']) for category in content['categories']}
        of_image: dict[Any, list[dict]] = defaultdict(list)
        for annotation in content['annotations']:
            of_image[annotation['image_id']].append(annotation)
        for entry in content['images']:
            given, size = str(entry['file_name']), (int(entry['width']), int(entry['height']))
            where = f'{file}, image {given}'
            shapes = [_shape(each, labels[each['category_id']], size, where) for each in of_image[entry['id']]]
            yield Annotated(name_below(given, where), _image(file, images, given), size, shapes, where)


def _image(file: Path, images: Path | None, given: str) -> Path:
    name = Path(given.replace('\\', '/'))
    if images is not None:
        below = images / name_below(given, str(file))
        return below if below.is_file() or not (images / name.name).is_file() else images / name.name
    places = (file.parent / 'images', file.parent, file.parent.parent / 'images', file.parent.parent / 'images' / 'default')
    return next((place / name for place in places if (place / name).is_file()), places[0] / name)


def _shape(annotation: dict[str, Any], label: str, size: tuple[int, int], where: str) -> Shape:
    segmentation = annotation.get('segmentation')
    if not segmentation:
        raise InputError(f'{where}: {label} is annotated with a box only; export the polygons or masks')
    if isinstance(segmentation, list):
        return Shape(label, tuple(tuple(zip(flat[::2], flat[1::2], strict=True)) for flat in segmentation))
    coco = require('pycocotools.mask', 'pycocotools')
    width, height = size
    if segmentation['size'] != [height, width]:
        raise InputError(
            f'{where}: the run lengths of {label} are for {segmentation["size"]}, not (height, width) of the image'
        )
    runs = segmentation if isinstance(segmentation['counts'], str) else coco.frPyObjects(segmentation, height, width)
    return Shape(label, pixels=coco.decode(runs) > 0)
