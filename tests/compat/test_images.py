import cv2
import mmcv
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import read_image


@pytest.fixture
def files(tmp_path):
    """A portrait photograph of a phone in three formats, a truncated one, and one of a 12-bit camera."""
    ys, xs = np.mgrid[:40, :60]
    pixels = np.stack([xs * 4, ys * 6, xs + ys], axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix in ('jpg', 'png', 'webp'):
        Image.fromarray(pixels).save(tmp_path / f'phone.{suffix}', exif=exif)
    data = (tmp_path / 'phone.jpg').read_bytes()
    (tmp_path / 'half.jpg').write_bytes(data[: len(data) // 2])
    cv2.imwrite(str(tmp_path / 'camera.png'), pixels.astype(np.uint16) << 4)
    return tmp_path


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp'])
def test_the_hosts_readers_see_what_ours_sees(files, suffix):
    path = files / f'phone.{suffix}'
    pixels = read_image(path)
    assert pixels.shape == (60, 40, 3)
    for read in (
        mmcv.imread(path),
        mmcv.imfrombytes(path.read_bytes()),
        mmcv.imfrombytes(path.read_bytes(), channel_order='rgb')[..., ::-1],
        LoadImageFromFile()(dict(img_path=str(path)))['img'],
    ):
        assert np.array_equal(read, pixels)


@pytest.mark.parametrize('name', ['half.jpg', 'camera.png'])
def test_the_hosts_loader_names_what_it_cannot_read(files, name):
    with pytest.raises(InputError, match=f'^{files / name}: (not a readable image, or a truncated one|a 16-bit image)'):
        LoadImageFromFile()(dict(img_path=str(files / name)))
    assert LoadImageFromFile(ignore_empty=True)(dict(img_path=str(files / name))) is None
    with pytest.raises(InputError, match=r'^this image: '):
        mmcv.imread(files / name)


def test_what_else_the_host_reads_is_left_to_it(files):
    label = np.arange(12, dtype=np.uint8).reshape(3, 4)
    content = cv2.imencode('.png', label)[1].tobytes()
    assert np.array_equal(mmcv.imfrombytes(content, flag='unchanged', backend='pillow'), label)
    assert np.array_equal(mmcv.imfrombytes(content, flag='grayscale'), label)
    raster = cv2.imencode('.ras', np.full((3, 4, 3), 7, np.uint8))[1].tobytes()
    assert (mmcv.imfrombytes(raster) == 7).all()
