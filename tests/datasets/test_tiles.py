import io

import mmcv
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine import fileio
from PIL import Image

from mmseg_bisenet_lite.datasets.tiles import tile_paths
from mmseg_bisenet_lite.datasets.transforms.loading import LoadCheckedImage
from mmseg_bisenet_lite.utils.errors import InputError


@settings(max_examples=30)
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


def photograph(height=48, width=64):
    """Smooth, and different in all corners."""
    ys, xs = np.mgrid[:height, :width]
    return np.stack([xs * 3, ys * 4, (xs + ys) // 2], axis=-1).astype(np.uint8)


@pytest.mark.parametrize('orientation', [1, 3, 6])
@pytest.mark.parametrize(('kind', 'suffix'), [('JPEG', '.jpg'), ('PNG', '.png'), ('WEBP', '.webp')])
def test_painter_and_loader_see_the_same_pixels(tmp_path, kind, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = str(tmp_path / f'a{suffix}')
    Image.fromarray(photograph()).save(path, kind, exif=exif)
    for tile in (*tile_paths(path, 2, 2), path):
        painted = mmcv.imfrombytes(fileio.get(tile))  # as MMSegmentation's visualization hook reads it
        loaded = LoadCheckedImage()(dict(img_path=tile))['img']
        assert np.array_equal(painted, loaded)
        assert painted.shape[:2] == (24, 32)[:: -1 if orientation == 6 else 1] or tile == path


def test_a_palette_keeps_its_colours_and_its_values(tmp_path):
    path = str(tmp_path / 'a.png')
    values = np.random.default_rng(0).integers(0, 3, (6, 8), np.uint8)
    image = Image.fromarray(values, 'P')
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(path)
    tile = tile_paths(path, 1, 2)[0]
    content = fileio.get(tile)
    assert np.array_equal(mmcv.imfrombytes(content, flag='unchanged', backend='pillow'), values[:, :4])
    assert np.array_equal(mmcv.imfrombytes(content), LoadCheckedImage()(dict(img_path=tile))['img'])


@pytest.mark.parametrize('read', [fileio.get, lambda tile: LoadCheckedImage()(dict(img_path=tile))])
def test_a_truncated_photograph_is_named(tmp_path, read):
    Image.fromarray(photograph()).save(tmp_path / 'a.jpg')
    data = (tmp_path / 'a.jpg').read_bytes()
    (tmp_path / 'a.jpg').write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r'^/.*/a\.jpg: not a readable image, or a truncated one'):
        read(tile_paths(str(tmp_path / 'a.jpg'), 2, 2)[0])
