import logging
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mmseg.apis import init_model

from mmseg_bisenet_lite.datasets import CityscapesVehicleDataset
from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.pretrained.loading import dataset_meta_of, load_segmentor, parse_config, read_config
from mmseg_bisenet_lite.utils.errors import InputError


def test_threads_load_at_once(small_config, small_checkpoint):
    """As with several cameras, each with a network of its own."""
    config, checkpoint, name = str(small_config), str(small_checkpoint), 'lite-shared_hinge_vehicle_camvid'
    frame = np.full((32, 64, 3), 90, np.uint8)
    Segmenter.from_pretrained(name)(frame)  # what the libraries set once
    before = sys.stdout, logging.root.manager.disable, list(warnings.filters)
    barrier = threading.Barrier(6)

    def load(number):
        barrier.wait()
        if number % 3 == 0:
            return Segmenter.from_pretrained(name, size=(64, 32))(frame).shape == (32, 64)
        if number % 3 == 1:
            return init_model(config, checkpoint, device='cpu').dataset_meta['classes'] == ('background', 'vehicle')
        return load_segmentor(config, read_config(config), checkpoint).training is False

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(load, range(6)))
    assert (sys.stdout, logging.root.manager.disable, list(warnings.filters)) == before


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('a.py', 'a = b', "NameError: name 'b' is not defined"),
        ('a.py', '_base_ = "absent.py"', 'FileNotFoundError: .*absent'),
        ('a.py', 'custom_imports = dict(imports=["absent_module"])', 'ImportError: Failed to import custom modules'),
        ('a.json', '{', 'JSONDecodeError: Expecting'),
        ('a.yaml', 'a: [', 'ParserError: '),
    ],
)
def test_what_a_config_raises_is_one_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f'{name}: cannot be read as a config: {message}') as error:
        parse_config(str(tmp_path / name))
    assert '\n' not in str(error.value)


def test_the_classes_are_the_checkpoints_or_else_the_data_sets(small_config):
    config = read_config(str(small_config))
    named = dict(classes=('road', 'tram'), palette=[[1, 2, 3], [4, 5, 6]])
    with pytest.raises(InputError, match=r'named\.pth: it has the classes road, tram, the config background, vehicle; '):
        dataset_meta_of(dict(meta=dict(dataset_meta=named)), 'named.pth', config)
    assert dataset_meta_of(dict(meta=None), 'bare.pth', config)['classes'] == ('background', 'vehicle')
    config.val_dataloader.dataset.metainfo = dict(classes=('rest', 'vehicle'))
    found = dataset_meta_of(dict(meta=None), 'bare.pth', config)
    assert found['classes'] == ('rest', 'vehicle')
    assert len(found['palette']) == 2
    config.val_dataloader.dataset.metainfo = dict(classes=('road', 'tram'))
    assert dataset_meta_of(dict(meta=dict(dataset_meta=named)), 'named.pth', config) == named
    config.val_dataloader.dataset.metainfo = dict(classes=('road', 'tram', 'car'))
    with pytest.raises(InputError, match='both must have the same two classes'):
        dataset_meta_of(dict(meta=None), 'bare.pth', config)
    config.val_dataloader.dataset = dict(type='BaseSegDataset', metainfo=dict(classes=('road', 'tram')))
    with pytest.raises(InputError, match=r'small\.py: its val set has no colours; set metainfo\.palette'):
        dataset_meta_of(dict(meta=None), 'bare.pth', config)
    config.val_dataloader = None
    with pytest.raises(InputError, match=r'small\.py: has no val_dataloader with a dataset; add one'):
        dataset_meta_of(dict(meta=None), 'bare.pth', config)


@pytest.mark.parametrize('kind', [CityscapesVehicleDataset, 'mmseg_bisenet_lite.datasets.CityscapesVehicleDataset', 'mmseg.{}'])
def test_the_type_of_a_dataset_may_be_a_class_or_a_dotted_name(small_config, kind):
    """Pure Python configs have classes, and the config that such a run writes has names with their modules."""
    config = read_config(str(small_config))
    config.val_dataloader.dataset.type = kind.format('CityscapesVehicleDataset') if isinstance(kind, str) else kind
    assert dataset_meta_of({}, 'bare.pth', config)['classes'] == ('background', 'vehicle')
