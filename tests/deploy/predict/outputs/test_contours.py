import json
from pathlib import Path

import numpy as np
import pytest

MASK = np.zeros((10, 12), np.uint8)
MASK[1:4, 1:5] = 1
MASK[6:9, 8:11] = 1
MASK[0, 8:] = 255  # undecided is not foreground


def content(tmp_path):
    return json.loads((tmp_path / 'out/contours.json').read_text())


def test_the_file_is_coco(open_outputs, source, result_of, tmp_path):
    images = source(files=[Path('in/street/a.jpg'), Path('in/street/b.png'), Path('in/street/b.jpg')])
    with open_outputs(['contours'], images) as outputs:
        outputs.write(result_of(images, 0, 'street/a', mask=MASK))
        outputs.write(result_of(images, 1, 'street/b.png', mask=0 * MASK))
        outputs.write(result_of(images, 2, 'street/b.jpg', mask=MASK))
    coco = content(tmp_path)
    assert coco['categories'] == [{'id': 1, 'name': 'vehicle', 'supercategory': ''}]
    assert coco['images'] == [
        {'id': number, 'file_name': f'street/{name}', 'height': 10, 'width': 12}
        for number, name in enumerate(('a.jpg', 'b.png', 'b.jpg'), 1)
    ]
    annotations = coco['annotations']
    assert [each['id'] for each in annotations] == [1, 2, 3, 4]
    assert [(each['image_id'], each['bbox']) for each in annotations[:2]] == [(1, [1, 1, 4, 3]), (1, [8, 6, 3, 3])]
    assert {each['image_id'] for each in annotations} == {1, 3}
    assert all((each['category_id'], each['iscrowd']) == (1, 0) for each in annotations)


def test_frames_of_a_video_have_the_names_of_their_outputs(open_outputs, source, result_of, tmp_path):
    video = source('clip.mp4', 'clip', files=[Path('clip.mp4')])
    with open_outputs(['contours'], video) as outputs:
        outputs.write(result_of(video, 0))
    assert content(tmp_path)['images'][0]['file_name'] == 'clip/000000'


def test_a_run_that_was_killed_goes_on(open_outputs, source, result_of, tmp_path):
    images = source()
    killed = open_outputs(['contours'], images)
    for number in range(3):
        killed.write(result_of(images, number, mask=MASK))
    lines = tmp_path / 'out/.contours.jsonl'
    lines.write_bytes(lines.read_bytes()[:-20])
    with open_outputs(['contours'], images) as outputs:
        assert [outputs.done(images.name(number), images) for number in range(4)] == [True, True, False, False]
        for number in (2, 3):
            outputs.write(result_of(images, number, mask=MASK))
    coco = content(tmp_path)
    assert [image['file_name'] for image in coco['images']] == [f'image-{number}' for number in range(4)]
    assert len(coco['annotations']) == 8


def test_a_file_that_was_removed_is_assembled_again(open_outputs, source, result_of, tmp_path):
    images = source()
    with open_outputs(['contours'], images) as outputs:
        outputs.write(result_of(images, 0, 'name with "quotes"', mask=MASK))
    before = content(tmp_path)
    (tmp_path / 'out/contours.json').unlink()
    with open_outputs(['contours'], images) as outputs:
        assert outputs.done('name with "quotes"', images)
    assert content(tmp_path) == before


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # of pycocotools, beside numpy 2
def test_pycocotools_reads_the_masks_as_they_are(open_outputs, source, result_of, tmp_path):
    coco = pytest.importorskip('pycocotools.coco', reason='pycocotools, of the extra test, is not installed')
    images = source()
    masks = [(np.random.default_rng(seed).random((40, 50)) > 0.7).astype(np.uint8) for seed in range(3)]
    with open_outputs(['contours'], images) as outputs:
        for number, mask in enumerate(masks):
            outputs.write(result_of(images, number, mask=mask))
    read = coco.COCO(str(tmp_path / 'out/contours.json'))
    for image, mask in zip(read.getImgIds(), masks, strict=True):
        annotations = read.loadAnns(read.getAnnIds(imgIds=image))
        assert np.array_equal(sum(read.annToMask(each) for each in annotations), mask)
