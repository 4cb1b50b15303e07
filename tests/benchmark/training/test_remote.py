import functools
import os

import numpy as np
import pytest

from mmseg_bisenet_lite.benchmark.training.remote import Remote
from mmseg_bisenet_lite.datasets.decoded_cache import DecodedCache
from mmseg_bisenet_lite.utils.errors import InputError


def test_an_object_elsewhere(tmp_path):
    with Remote(DecodedCache, tmp_path / 'cache', 1) as cache:
        pixels = cache.call('get', __file__, 'kind', functools.partial(np.full, (2, 3), 7))
        assert np.array_equal(pixels, np.full((2, 3), 7))
        (entry,) = (tmp_path / 'cache').iterdir()
        entry.write_bytes(b'')
        with pytest.raises(InputError, match='damaged, delete it'):
            cache.call('get', __file__, 'kind', np.zeros)
        process = cache._process
        assert process.pid != os.getpid()
        assert process.is_alive()
    assert process.exitcode == 0


def test_its_errors_come_here(tmp_path):
    with pytest.raises(InputError, match='cache_gib=-1'):
        Remote(DecodedCache, tmp_path / 'cache', -1)
    with Remote(DecodedCache, tmp_path / 'cache', 1) as cache, pytest.raises(InputError, match='died with status 3'):
        cache.call('get', __file__, 'kind', functools.partial(os._exit, 3))
