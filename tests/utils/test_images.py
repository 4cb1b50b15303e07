import io
import os
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from mmseg_bisenet_lite.utils import images
from mmseg_bisenet_lite.utils.containers import header_of
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import (
    decode_image,
    images_in,
    is_image,
    is_picture,
    named,
    output_name,
    read_image,
    upright,
    write_image,
)


def photograph(height=40, width=60):
    """Smooth, so that lossy formats keep it nearly, and different in all corners."""
    ys, xs = np.mgrid[:height, :width]
    return np.stack([xs * 200 // width, ys * 200 // height, (xs + ys) % 90 + 100], axis=-1).astype(np.uint8)


def encoded(kind, image=None, **options):
    content = io.BytesIO()
    (image or Image.fromarray(photograph()[..., ::-1])).save(content, kind, **options)
    return content.getvalue()


def oriented(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def thumbnailed():
    """A JPEG whose EXIF data hold a whole JPEG, as cameras write them."""
    thumbnail = encoded('JPEG', Image.fromarray(photograph(8, 8)))
    segment = b'Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0' + thumbnail
    data = encoded('JPEG')
    return data[:2] + b'\xff\xe1' + struct.pack('>H', len(segment) + 2) + segment + data[2:]


FILES = {
    'jpeg': encoded('JPEG', quality=95),
    'progressive jpeg': encoded('JPEG', quality=95, progressive=True),
    'jpeg with restarts': encoded('JPEG', quality=95, restart_marker_blocks=2),
    'jpeg with thumbnail': thumbnailed(),
    'png': encoded('PNG'),
    'webp': encoded('WEBP', lossless=True),
    'lossy webp': encoded('WEBP', quality=90),
    'webp with exif': encoded('WEBP', lossless=True, exif=oriented(1)),
    'bmp': encoded('BMP'),
    'tiff': encoded('TIFF'),
    'deflated tiff': encoded('TIFF', compression='tiff_adobe_deflate'),
    'lzw tiff': cv2.imencode('.tiff', photograph())[1].tobytes(),
    'ppm': encoded('PPM'),
}


@pytest.mark.parametrize('name', FILES)
def test_it_reads_what_was_written(name):
    pixels = decode_image(FILES[name], name)
    assert pixels.shape == (40, 60, 3)
    assert pixels.dtype == np.uint8
    # Lossy formats store colours at half the resolution.
    assert np.abs(pixels.astype(int) - photograph()).mean() < (4 if 'jpeg' in name or 'lossy' in name else 1e-9)
    header = header_of(FILES[name])
    assert (header.width, header.height) == (60, 40)


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('share', [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_file_that_is_cut_off_is_named(name, share):
    data = FILES[name]
    with pytest.raises(
        InputError, match=r'^a b\.img: not a readable image(; give JPEG|, or a truncated one|, or a damaged one)'
    ) as said:
        decode_image(data[: int(share * len(data))], 'a b.img')
    assert '\n' not in str(said.value)


@pytest.mark.parametrize('name', ['jpeg', 'progressive jpeg', 'webp', 'bmp', 'ppm', 'tiff'])
def test_a_file_with_zeros_in_place_of_its_end_or_without_the_last_byte_is_named(name):
    """Of an interrupted download with reserved space."""
    data = FILES[name]
    if 'jpeg' in name:
        with pytest.raises(InputError, match='truncated'):
            decode_image(data[: len(data) // 2] + bytes(len(data) - len(data) // 2), name)
    with pytest.raises(InputError, match='not a readable image'):
        decode_image(data[:-1], name)


@settings(max_examples=60)
@given(name=st.sampled_from(sorted(FILES)), change=st.data())
def test_whatever_is_in_a_file_the_error_is_one_line(name, change):
    data = bytearray(FILES[name])
    for _ in range(change.draw(st.integers(1, 4))):
        data[change.draw(st.integers(0, min(len(data) - 1, 200)))] = change.draw(st.integers(0, 255))
    said = 'a: '
    try:
        decode_image(bytes(data[: change.draw(st.integers(1, len(data)))]), 'a')
    except InputError as error:  # and no other
        said = str(error)
    assert said.startswith('a: ')
    assert '\n' not in said


@pytest.mark.parametrize('name', FILES)
def test_bytes_after_the_end_are_allowed(name):
    assert np.array_equal(decode_image(FILES[name] + b'\xff\xd8 more', name), decode_image(FILES[name], name))


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_pictures_are_turned_upright(kind, orientation):
    options = dict(exif=oriented(orientation), **(dict(lossless=True) if kind == 'WEBP' else {}))
    data = encoded(kind, **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert('RGB'))[..., ::-1]
    pixels = decode_image(data, 'a')
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() <= (8 if kind == 'JPEG' else 0)  # the decoders round differently
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize('orientation', [0, 9, 40000])
def test_an_unknown_orientation_is_none(orientation):
    assert decode_image(encoded('JPEG', exif=oriented(orientation)), 'a').shape == (40, 60, 3)


def test_orientations_are_their_own_group():
    pixels = photograph()
    for orientation, back in ((2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)):
        assert not np.array_equal(upright(pixels, orientation), pixels)
        assert np.array_equal(upright(upright(pixels, orientation), back), pixels)


@pytest.mark.parametrize('mode', ['L', 'LA', 'RGBA', 'P', '1', 'CMYK'])
def test_other_kinds_of_pixels_become_colours(mode):
    image = Image.fromarray(photograph()[..., ::-1]).convert(mode)
    if mode in ('LA', 'RGBA'):
        image.putalpha(Image.fromarray(photograph()[..., 0]))
    kind = 'TIFF' if mode == 'CMYK' else 'PNG'
    expected = np.asarray(image.convert('RGB'))[..., ::-1]  # the colours below the transparency
    pixels = decode_image(encoded(kind, image), 'a')
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_jpegs_for_printers_keep_their_colours():
    pixels = decode_image(encoded('JPEG', Image.fromarray(photograph()[..., ::-1]).convert('CMYK'), quality=95), 'a')
    assert np.abs(pixels.astype(int) - photograph()).mean() < 5


def test_a_transparent_tiff_lies_over_black():
    image = Image.fromarray(photograph()[..., ::-1]).convert('RGBA')
    image.putalpha(Image.fromarray(photograph()[..., 0]))
    expected = photograph() * (photograph()[..., :1] / 255)
    assert np.abs(decode_image(encoded('TIFF', image), 'a') - expected).max() <= 1


@pytest.mark.parametrize('suffix', ['.png', '.tiff', '.ppm'])
def test_16_bits_keep_their_brightness_and_fewer_are_refused(suffix):
    bright = photograph().astype(np.uint16) * 257
    assert np.array_equal(decode_image(cv2.imencode(suffix, bright)[1].tobytes(), 'a'), photograph())
    assert not decode_image(cv2.imencode(suffix, bright * 0)[1].tobytes(), 'a').any()
    for bits in (10, 12, 14):
        for camera in (bright >> (16 - bits), (bright >> (16 - bits))[..., 0]):
            if suffix == '.ppm' and camera.ndim == 2:
                continue
            with pytest.raises(InputError, match=r'^a\.x: a 16-bit image with values up to \d+ only.* save it with 8 bits$'):
                decode_image(cv2.imencode(suffix, camera)[1].tobytes(), 'a.x')


@pytest.mark.parametrize('kind', [np.float32, np.int32])
def test_grey_tiffs_that_opencv_cannot_decode_are_refused_in_one_line(kind, capfd):
    data = encoded('TIFF', Image.fromarray(photograph()[..., 0].astype(kind)))
    with pytest.raises(InputError, match=r'^a\.tif: its values are floating-point or negative numbers; save it with 8 bits$'):
        decode_image(data, 'a.tif')
    assert capfd.readouterr().err == ''


def test_floating_point_values_are_refused():
    data = cv2.imencode('.tiff', photograph().astype(np.float32) / 255)[1].tobytes()
    with pytest.raises(InputError, match=r'^a: its values are float32; save it with 8 bits'):
        decode_image(data, 'a')


def test_too_many_pixels_are_refused_before_memory_is_taken(monkeypatch):
    monkeypatch.setattr(images, 'MOST_PIXELS', 60 * 40 - 1)
    monkeypatch.setattr(cv2, 'imdecode', None)
    for name, data in FILES.items():
        with pytest.raises(InputError, match=f'^{name}: 60x40 pixels are more than 2399; make it smaller'):
            decode_image(data, name)


def test_of_many_files_the_first_are_named():
    assert named(['a', 'b']) == 'a, b'
    assert named([f'{n}.txt' for n in range(5000)], 3) == '0.txt, 1.txt, 2.txt and 4997 more'


def test_what_is_no_image_file_is_named(tmp_path, monkeypatch):
    (tmp_path / 'empty.png').touch()
    (tmp_path / 'text.jpg').write_text('no image')
    (tmp_path / 'page.png').write_text('<html>not found</html>')
    (tmp_path / 'folder.png').mkdir()
    os.mkfifo(tmp_path / 'pipe.png')
    for name, message in (
        ('empty.png', 'this file is empty'),
        ('text.jpg', 'not a readable image; give JPEG, PNG, WebP, BMP, TIFF or PNM'),
        ('page.png', 'not a readable image'),
        ('folder.png', 'not an image file'),
        ('pipe.png', 'not an image file'),
        ('absent.png', 'there is no such image'),
        ('a' * 300, 'cannot be read: .*too long'),
    ):
        with pytest.raises(InputError, match=f'{name}: {message}'):
            read_image(tmp_path / name)
    monkeypatch.setattr(images, 'MOST_BYTES', 7)
    with pytest.raises(InputError, match='8 bytes are more than 7'):
        read_image(tmp_path / 'text.jpg')


def test_names_that_are_not_utf_8_are_read_and_written(tmp_path):
    file = tmp_path / os.fsdecode(b'caf\xe9.png')
    write_image(file, photograph())
    assert np.array_equal(read_image(file), photograph())
    assert [os.fsencode(written.name) for written in tmp_path.iterdir()] == [b'caf\xe9.png']


def test_a_file_without_permission_is_named(tmp_path, monkeypatch):
    file = tmp_path / 'a.png'
    write_image(file, photograph())

    def denied(_):
        raise PermissionError(13, 'Permission denied', str(file))

    monkeypatch.setattr('pathlib.Path.read_bytes', denied)  # root may read everything
    with pytest.raises(InputError, match=r'a\.png: cannot be read: .*Permission denied'):
        read_image(file)


@pytest.mark.parametrize('name', ['a.JPG', 'a.jpe', 'a.jfif', 'a.webp', 'a.TIF', 'a.tiff', 'a.bmp', 'a.PNG', 'a.ppm'])
def test_a_picture_is_written_in_the_format_of_its_name(tmp_path, name):
    assert is_image(tmp_path / name)
    assert output_name(tmp_path / name) == name
    write_image(tmp_path / name, photograph())
    assert np.abs(read_image(tmp_path / name).astype(int) - photograph()).mean() < 4
    kind = header_of((tmp_path / name).read_bytes()).kind
    expected = {'.jpg': 'JPEG', '.jpe': 'JPEG', '.jfif': 'JPEG', '.tif': 'TIFF', '.webp': 'WebP', '.ppm': 'PNM'}
    assert kind == expected.get(name[1:].lower(), name[2:].upper())


def test_other_names_get_the_suffix_of_png(tmp_path):
    assert output_name(tmp_path / 'frame') == 'frame.png'
    assert output_name(tmp_path / 'map.pgm') == 'map.pgm.png'


def test_a_link_is_replaced_and_its_target_stays(tmp_path):
    (tmp_path / 'original.png').write_bytes(b'original')
    (tmp_path / 'a.png').symlink_to('original.png')
    write_image(tmp_path / 'a.png', photograph())
    assert (tmp_path / 'original.png').read_bytes() == b'original'
    assert not (tmp_path / 'a.png').is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ['a.png', 'original.png']


def test_the_images_of_a_folder(tmp_path):
    for name in ('b.JPG', 'a.webp', 'broken.png', '._b.JPG', '.hidden.png', 'notes.txt', 'clip.mp4', 'raw.dng', 'phone.heic'):
        (tmp_path / name).touch()
    (tmp_path / 'raw.dng').write_bytes(FILES['tiff'])  # a thumbnail
    (tmp_path / 'unnamed').write_bytes(FILES['jpeg'])
    (tmp_path / 'below').mkdir()
    (tmp_path / 'dangling.png').symlink_to('absent.png')
    taken, left_out = images_in(tmp_path.iterdir())
    assert [file.name for file in taken] == ['a.webp', 'b.JPG', 'broken.png', 'dangling.png', 'unnamed']
    assert [file.name for file in left_out] == ['below', 'clip.mp4', 'notes.txt', 'phone.heic', 'raw.dng']
    assert [is_picture(tmp_path / name) for name in ('raw.dng', 'phone.heic', 'clip.mp4')] == [True, True, False]
