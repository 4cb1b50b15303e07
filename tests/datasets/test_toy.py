import cv2
import numpy as np
import pytest
from mmengine.utils import scandir

from mmseg_bisenet_lite.datasets.cityscapes import LABEL_IDS, TRAIN_IDS
from mmseg_bisenet_lite.datasets.toy import render_scene, write_toy_cityscapes
from mmseg_bisenet_lite.utils.errors import InputError


def files(folder):
    return {name: (folder / name).read_bytes() for name in scandir(str(folder), recursive=True)}


def test_layout_is_cityscapes(toy):
    names = sorted(name for name in files(toy) if name.endswith('.png'))
    assert len(names) == 3 * (8 + 2)
    assert 'leftImg8bit/train/toyville/toyville_000000_000019_leftImg8bit.png' in names
    assert 'gtFine/val/toyville/toyville_000001_000019_gtFine_labelIds.png' in names
    assert 'gtFine/val/toyville/toyville_000001_000019_gtFine_labelTrainIds.png' in names
    assert cv2.imread(str(toy / names[-1])).shape == (64, 128, 3)


def test_the_seed_decides(toy, tmp_path):
    write_toy_cityscapes(tmp_path / 'same', size=(128, 64), images=(8, 2))
    write_toy_cityscapes(tmp_path / 'other', size=(128, 64), images=(8, 2), seed=1)
    assert files(tmp_path / 'same') == files(toy)
    assert files(tmp_path / 'other') != files(toy)


def test_both_kinds_of_labels_agree(toy):
    names = dict(LABEL_IDS)
    for path in (toy / 'gtFine').rglob('*_labelIds.png'):
        ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        train_ids = cv2.imread(str(path).replace('labelIds', 'labelTrainIds'), cv2.IMREAD_UNCHANGED)
        for value in np.unique(ids):
            (train_id,) = np.unique(train_ids[ids == value])
            assert TRAIN_IDS.get(train_id, 'void') == names.get(value, 'void')


def test_scenes_show_what_is_to_be_learnt():
    labels = np.stack([render_scene(np.random.default_rng(i), 128, 64)[1] for i in range(40)])
    share = {name: (labels == value).mean() for value, name in LABEL_IDS.items()}
    vehicles = sum(share[name] for name in ('car', 'truck', 'bus', 'bicycle'))
    humans = share['person'] + share['rider']
    assert 0.1 < vehicles < 0.4
    assert 0.01 < humans < 0.15
    for distractor in ('wall', 'pole', 'traffic sign', 'vegetation', 'fence'):
        assert share[distractor] > 0
    assert (labels == 1).any()  # the ego vehicle, which is void


def test_nothing_is_overwritten(toy, tmp_path):
    before = files(toy)
    assert not write_toy_cityscapes(toy, size=(128, 64), images=(8, 2))  # the very same one is there
    with pytest.raises(InputError, match='exists and is not this toy data set'):
        write_toy_cityscapes(toy, size=(128, 64), images=(9, 2))
    with pytest.raises(InputError, match='exists'):
        write_toy_cityscapes(tmp_path)
    assert files(toy) == before
    (tmp_path / 'own.tmp').mkdir()
    write_toy_cityscapes(tmp_path / 'own', size=(64, 32), images=(1, 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['own', 'own.tmp']


def test_a_stopped_run_leaves_nothing_under_the_final_name(tmp_path):
    def stop(tasks):
        yield from tasks[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_toy_cityscapes(tmp_path / 'toy', size=(64, 32), images=(3, 1), progress=stop)
    assert not (tmp_path / 'toy').exists()
    assert write_toy_cityscapes(tmp_path / 'toy', size=(32, 32), images=(1, 1), seed=1)
    assert len(list((tmp_path / 'toy').rglob('*.png'))) == 3 * 2
