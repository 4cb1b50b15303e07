"""The weights that come with the package, on the photographs where they are at hand."""

import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from mmseg.apis import inference_model

from mmseg_bisenet_lite import CamVidHumanDataset, CamVidVehicleDataset, init_model
from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.models.batch_norms import batch_norms
from mmseg_bisenet_lite.pretrained import names
from mmseg_bisenet_lite.utils.errors import InputError

pytestmark = pytest.mark.slow

DATASETS = {'vehicle': CamVidVehicleDataset, 'human': CamVidHumanDataset}


@pytest.fixture(params=names())
def name(request):
    return request.param


@pytest.fixture
def photographs(name, camvid):
    """(BGR frame, label) of the val photographs with most to be found."""
    target = name.split('_')[2]
    prefix = dict(img_path='val', seg_map_path='valannot')
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    dataset = DATASETS[target](data_root=str(camvid), data_prefix=prefix, pipeline=pipeline)
    found = [dataset[i] for i in range(0, 101, 10)]
    found.sort(key=lambda sample: -(sample['gt_seg_map'] == 1).sum())
    return [(sample['img'], sample['gt_seg_map']) for sample in found[:3]]


def iou(masks, labels):
    masks, labels = np.stack(masks)[np.stack(labels) != 255] == 1, np.stack(labels)[np.stack(labels) != 255] == 1
    return (masks & labels).sum() / (masks | labels).sum()


def test_they_find_what_they_are_for(name, photographs):
    model = init_model(name)
    masks = [inference_model(model, frame).pred_sem_seg.data[0].numpy() for frame, _ in photographs]
    assert list(model.dataset_meta['classes']) == ['background', name.split('_')[2]]
    assert iou(masks, [label for _, label in photographs]) > 0.6


def test_a_fused_network_gives_the_same_masks(name, photographs):
    frame = photographs[0][0]
    masks = [
        inference_model(init_model(name, threshold='best', fuse=fuse), frame).pred_sem_seg.data[0] for fuse in (False, True)
    ]
    assert (masks[0] != masks[1]).float().mean() < 1e-4
    assert not batch_norms(init_model(name, fuse=True))


def test_a_segmenter_of_them_gives_the_same_masks(name, photographs):
    frame = photographs[0][0]
    model = init_model(name, threshold='best')
    expected = inference_model(model, frame).pred_sem_seg.data[0].numpy()
    segmenter = Segmenter.from_pretrained(name, size=(480, 360), threshold='best', threads=1)
    mask, margin = segmenter.with_margin(frame)
    assert (mask != expected).mean() < 1e-3
    assert np.array_equal(mask, margin > 0)
    assert segmenter.metadata.classes == ('background', name.split('_')[2])


def test_readmes_picture_is_what_its_command_paints(root, tmp_path):
    pattern = r'^bisenet-lite (predict \S+ \.github/street\.jpg --out) \S+$'
    command = re.search(pattern, (root / 'README.md').read_text(), re.MULTILINE)
    environment = {**os.environ, 'HOME': str(tmp_path / 'home'), 'OMP_NUM_THREADS': '1'}
    program = [sys.executable, 'tools/bisenet_lite.py', *command[1].split(), tmp_path / 'out']
    subprocess.run(program, cwd=root, env=environment, check=True)
    assert not list((tmp_path / 'home').rglob('*bisenet*'))  # nothing of ours is left in the user's folders
    painted = cv2.imread(str(tmp_path / 'out' / 'overlay' / 'street.jpg')).astype(int)
    shown, drawn = (cv2.imread(str(root / '.github' / name)).astype(int) for name in ('street_found.jpg', 'street.jpg'))
    changed = np.abs(shown - drawn).max(2) > 60
    assert changed.mean() > 0.02  # something is found
    assert np.abs(painted - shown).mean() < 0.5


def test_a_higher_threshold_finds_less(name):
    frame = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    found = [inference_model(init_model(name, threshold=t), frame).pred_sem_seg.data.sum().item() for t in (-5, 0, 5)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


def test_unknown_names_are_named():
    for make in (init_model, Segmenter.from_pretrained):
        with pytest.raises(
            InputError, match=f'bisenet-lite://unknown: there are no such weights in the package; choose from {names()[0]}'
        ):
            make('unknown')
