import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine import fileio
from PIL import Image

from mmseg_bisenet_lite.datasets.tiles import tile_paths
from mmseg_bisenet_lite.utils.errors import InputError


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(4, 40), width=st.integers(4, 40), rows=st.integers(1, 4), columns=st.integers(1, 4), colour=st.booleans()
)
def test_tiles_cover_every_pixel_once(tmp_path_factory, height, width, rows, columns, colour):
    path = tmp_path_factory.mktemp('tiles') / 'a.b_leftImg8bit.png'
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3) if colour else (height, width), np.uint8)
    Image.fromarray(pixels).save(path)
    tiles = [np.asarray(Image.open(io.BytesIO(fileio.get(tile)))) for tile in tile_paths(str(path), rows, columns)]
    assert len(tiles) == rows * columns
    rebuilt = np.concatenate([np.concatenate(tiles[r * columns : (r + 1) * columns], axis=1) for r in range(rows)])
    assert np.array_equal(rebuilt, pixels)


def test_one_tile_is_the_file_itself():
    assert tile_paths('/data/a.png', 1, 1) == ['/data/a.png']


def test_names_are_unique():
    names = [path.rsplit('/', 1)[1] for path in tile_paths('/data/a_leftImg8bit.png', 2, 2)]
    assert names == [f'a_leftImg8bit.r{r}c{c}of2x2.png' for r in (0, 1) for c in (0, 1)]


def test_wrong_paths_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='absent'):
        fileio.get(tile_paths(str(tmp_path / 'absent.png'), 2, 2)[0])
    with pytest.raises(InputError, match='not a tile path'):
        fileio.get('tile:///data/a.png')
