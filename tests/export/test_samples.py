import os
import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from mmseg_bisenet_lite.datasets.metainfo import inner_sets
from mmseg_bisenet_lite.deploy import segmenter
from mmseg_bisenet_lite.export.samples import (
    DatasetSamples,
    FolderSamples,
    RenderedSamples,
    Sample,
    samples_to_calibrate,
    samples_to_compare,
)
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import write_image


def test_frames_are_resized_as_the_file_will_resize_them(metadata, monkeypatch):
    """The gate measures what runs: the same frame, made in two ways, reaches the network with the same pixels."""
    seen = []

    class Runtime:
        name, precision, metadata = 'recorder', 'fp32', None

        def __call__(self, frames):
            seen.append(frames[0])
            return [frames[..., 0] // 128]

    Runtime.metadata = replace(metadata, size=(64, 48))
    monkeypatch.setattr(segmenter, 'load_runtime', lambda *_: Runtime())
    segment = segmenter.Segmenter('a.onnx', resize=True)
    for shape in ((30, 40), (96, 128), (60, 100), (100, 30), (48, 64)):
        frame = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        sample = Sample('noise', frame, np.ones(shape, np.uint8)).resized((64, 48))
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            segment(frame)
        assert np.array_equal(sample.frame, seen.pop())
        assert sample.label.shape == (48, 64)
        assert set(np.unique(sample.label)) <= {1, 255}
        assert sample.resized(None) is sample.resized((64, 48)) is sample


def test_the_val_set_is_as_it_lies_on_disk(toy, small_config):
    samples = samples_to_compare('val', Config.fromfile(small_config), None)
    assert len(samples) == 2
    assert samples.source == 'val set, CityscapesVehicleDataset'
    path = next((toy / 'leftImg8bit' / 'val').rglob(samples[1].name))
    assert np.array_equal(samples[1].frame, cv2.imread(str(path)))
    assert set(np.unique(samples[1].label)) <= {0, 1, 255}
    assert samples[0].label.shape == (64, 128)
    assert [sample.name for sample in samples[:1]] == [samples[0].name]


def test_calibration_is_on_the_train_set_without_augmentation(toy, small_config):
    samples = samples_to_calibrate('val', Config.fromfile(small_config), (64, 64))
    names = [sample.name for sample in samples]
    assert sorted(names) == sorted(path.name for path in (toy / 'leftImg8bit' / 'train').rglob('*.png'))
    assert names != sorted(names)
    assert names == [sample.name for sample in samples_to_calibrate('val', Config.fromfile(small_config), (64, 64))]
    assert samples[0].frame.shape == (64, 64, 3)


@pytest.mark.parametrize(('name', 'split'), [('lite-n_hinge_vehicle', 'train'), ('lite-s_hinge_human_trainval', 'train')])
def test_labels_are_of_two_classes_whatever_the_training_learns(drives, root, name, split):
    config = Config.fromfile(root / 'configs' / 'camvid' / f'{name}.py')
    assert inner_sets(config.train_dataloader.dataset)[0].keep_classes
    for each in (*inner_sets(config.train_dataloader.dataset), config.val_dataloader.dataset):
        each.data_root = str(drives)
    expected = np.zeros((36, 48), np.uint8)
    expected[20:, 10 : 20 if 'vehicle' in name else 0] = 1
    expected[20:, 30 : 40 if 'human' in name else 0] = 1
    for sample in DatasetSamples(config, split, None):
        assert np.array_equal(sample.label, expected)


def test_no_tile_of_a_photograph_that_is_compared_calibrates(toy, small_config):
    config = Config.fromfile(small_config)
    config.train_dataloader.dataset.tiles = (2, 2)
    train = samples_to_calibrate('val', config, None)
    assert len(train) == 4 * 8
    assert len(train.without(FolderSamples(toy / 'leftImg8bit' / 'val', None))) == 4 * 8
    assert not len(train.without(FolderSamples(toy / 'leftImg8bit' / 'train', None)))


def test_wrapped_data_sets_are_unwrapped(small_config):
    config = Config.fromfile(small_config)
    config.train_dataloader.dataset = dict(type='RepeatDataset', times=5, dataset=config.train_dataloader.dataset)
    train = DatasetSamples(config, 'train', None)
    assert len(train) == 8
    config.val_dataloader.dataset = dict(type='ConcatDataset', datasets=[config.val_dataloader.dataset] * 2)
    val = DatasetSamples(config, 'val', None)
    assert val.source == train.source.replace('train', 'val')
    assert [sample.name for sample in val] == 2 * [val[0].name, val[1].name]
    assert len(val.without(train)) == 4
    assert not len(val.without(val[:2]))


def test_renders_are_always_the_same_and_never_those_of_the_comparison(small_config):
    config = Config.fromfile(small_config)
    compared, calibration = samples_to_compare('renders', config, (64, 48)), samples_to_calibrate('renders', config, (64, 48))
    assert np.array_equal(compared[3].frame, RenderedSamples((64, 48))[3].frame)
    assert compared[3].label is None
    assert not {sample.name for sample in compared} & {sample.name for sample in calibration}
    assert RenderedSamples(None)[0].frame.shape == (360, 640, 3)


def test_a_folder_of_images(toy, small_config):
    samples = samples_to_compare(str(toy / 'leftImg8bit'), Config.fromfile(small_config), (32, 32))
    assert len(samples) == 10
    assert samples[9].frame.shape == (32, 32, 3)
    assert samples[9].label is None


def test_a_folder_names_what_it_leaves_out(tmp_path):
    photograph = np.full((8, 9, 3), 90, np.uint8)
    (tmp_path / 'below').mkdir()
    for name in ('a.JPG', 'below/b.webp', os.fsdecode(b'caf\xe9.png')):
        write_image(tmp_path / name, photograph)
    for name in ('._a.JPG', 'below/notes.txt'):
        (tmp_path / name).touch()
    with pytest.warns(UserWarning, match=r'left out, not images: below/notes\.txt$'):
        samples = FolderSamples(tmp_path, None)
    assert [sample.name for sample in samples] == ['a.JPG', 'b.webp', 'caf\ufffd.png']
    assert all(np.abs(sample.frame.astype(int) - 90).max() < 3 for sample in samples)


def test_what_is_missing_is_named(tmp_path, small_config):
    config = Config.fromfile(small_config)
    (tmp_path / 'broken.png').write_bytes(b'no image')
    with pytest.raises(InputError, match=r'broken\.png: not a readable image'):
        FolderSamples(tmp_path, None)[0]
    with pytest.raises(InputError, match=r'--frames .*absent: no such folder, or no images'):
        samples_to_compare(str(tmp_path / 'absent'), config, None)
    config.val_dataloader.dataset.data_root = str(tmp_path / 'absent')
    with pytest.raises(InputError, match=r'small\.py: cannot read the val set; .* --frames DIR or renders') as said:
        samples_to_compare('val', config, None)
    assert 'absent' in str(said.value)
