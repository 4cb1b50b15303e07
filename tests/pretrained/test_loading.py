import logging
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mmseg.apis import init_model

from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, parse_config, read_config
from mmseg_bisenet_lite.utils.errors import InputError


def test_threads_load_at_once(small_config, small_checkpoint):
    """As with several cameras, each with a network of its own."""
    config, checkpoint, name = str(small_config), str(small_checkpoint), 'lite_hinge_vehicle_camvid'
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
