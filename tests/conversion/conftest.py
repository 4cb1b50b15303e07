"""Small exports, as the annotation tools write them."""

import base64
import json

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.conversion.convert import ConvertConfig, convert

SIZE = 40, 30  # (width, height)


@pytest.fixture
def photographs(tmp_path):
    """Write photographs of 40x30; returns the folder."""

    def write(folder, *names):
        for name in names:
            file = tmp_path / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(file), np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
        return tmp_path / folder

    return write


def png(pixels):
    return base64.b64encode(cv2.imencode('.png', np.uint8(pixels))[1].tobytes()).decode()


def labelme_shape(label, points, kind='polygon', mask=None):
    """As labelme 5 and 6 write it."""
    return dict(
        label=label,
        points=points,
        group_id=None,
        description='',
        shape_type=kind,
        flags={},
        mask=None if mask is None else png(mask),
    )


def write_labelme(file, *shapes, image=None, size=SIZE):
    content = dict(
        version='5.5.0',
        flags={},
        shapes=shapes,
        imagePath=image or f'{file.stem}.jpg',
        imageData=None,
        imageHeight=size[1],
        imageWidth=size[0],
    )
    file.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding='utf-8')


def write_cvat(folder, images, labels=('crack', 'wall')):
    """``annotations.xml`` as CVAT for images 1.1 has it; ``images``: name -> elements."""
    kind = '<color>#c06060</color><type>any</type><attributes></attributes>'
    named = ''.join(f'<label><name>{label}</name>{kind}</label>' for label in labels)
    entries = ''.join(
        f'<image id="{number}" name="{name}" subset="default" task_id="7" width="{SIZE[0]}" height="{SIZE[1]}">{shapes}</image>'
        for number, (name, shapes) in enumerate(images.items())
    )
    (folder / 'annotations.xml').write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><job><id>7</id>'
        f'<size>{len(images)}</size><mode>annotation</mode><labels>{named}</labels></job></meta>{entries}</annotations>',
        encoding='utf-8',
    )


def write_coco(file, images):
    """A file in COCO's format; ``images``: name -> segmentation of its one annotation, a crack."""
    content = dict(
        images=[dict(id=i, file_name=name, width=SIZE[0], height=SIZE[1]) for i, name in enumerate(images)],
        categories=[dict(id=5, name='crack')],
        annotations=[dict(id=i, image_id=i, category_id=5, segmentation=each) for i, each in enumerate(images.values())],
    )
    file.write_text(json.dumps(content))


@pytest.fixture
def converted(tmp_path):
    """Convert; returns what was told, and the masks by the name of their image."""

    def run(source, *foreground, **options):
        out = tmp_path / 'out'
        lines = convert(ConvertConfig(source, out, foreground, **options), lambda *_: None)
        masks = {}
        for split in ('train', 'val'):
            for image in sorted((out / split).rglob('*.*')):
                name = image.relative_to(out / split)
                masks[name.as_posix()] = cv2.imread(str(next((out / f'{split}annot' / name).parent.glob(f'{name.stem}.*'))), -1)
        return lines, masks

    return run
