"""Headers of image files: the format, the size and the orientation, and whether the file is whole, without decoding it."""

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_ORIENTATION, _WIDTH, _HEIGHT, _NUMBER_KIND = 0x0112, 256, 257, 339  # tags of TIFF and EXIF
_NUMBERS = {1: 'B', 3: 'H', 4: 'I'}  # type of a tag's value -> its struct format
_JPEG_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')  # not a stuffed byte, a restart marker or a fill byte
_JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_GAP = rb'(?:\s|#[^\n]*\n)+'
_PNM = re.compile(rb'P([56])' + 3 * (_GAP + rb'(\d{1,9})') + rb'\s')


class DamagedImageError(Exception):
    """The file's own structure says that it is not whole; the message says what is missing."""


@dataclass(frozen=True)
class Header:
    """What an image file says of itself.

    Attributes:
        kind: Name of the format.
        width: Width of the stored picture in pixels.
        height: Height of the stored picture in pixels.
        orientation: EXIF orientation to apply, 1 to 8; 1 is none. OpenCV and Pillow apply a TIFF's own, so it is 1 for TIFF.
        unsigned: Whether the values are whole numbers from 0 on; ``True`` if the header does not say.
    """

    kind: str
    width: int
    height: int
    orientation: int = 1
    unsigned: bool = True


def kind_of(start: bytes) -> str | None:
    """Return the name of the format from the first 16 bytes of a file; ``None`` if it is none of ``KINDS``."""
    if start[:4] == b'RIFF' and start[8:12] == b'WEBP':
        return 'WebP'
    if start[:1] == b'P' and start[1:2] in (b'5', b'6') and start[2:3] in (b' ', b'\t', b'\n', b'\r', b'#'):
        return 'PNM'
    if start[:2] == b'BM' and start[6:10] == bytes(4):  # the reserved bytes, since texts may begin with BM too
        return 'BMP'
    return next((kind for signature, kind in _SIGNATURES.items() if start.startswith(signature)), None)


def header_of(data: bytes) -> Header | None:
    """Return the header of an image file, ``None`` if it is none of ``KINDS``.

    Args:
        data: Content of the file. Bytes after the end of the picture are allowed.

    Raises:
        DamagedImageError: The file ends too early, or its structure is broken.
    """
    kind = kind_of(data[:16])
    if kind is None:
        return None
    try:
        return _READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise DamagedImageError(f'the {kind} ends within its header') from error


def _jpeg(data: bytes) -> Header:
    position, size, orientation, scans = 2, None, 1, 0
    while (marker := _JPEG_MARKER.search(data, position)) is not None:
        code, position = marker.group()[1], marker.end()
        if code == 0xD9 and size is not None and scans:
            return Header('JPEG', *size, orientation)
        if code in (0x01, 0xD8, 0xD9):
            continue
        (length,) = struct.unpack_from('>H', data, position)
        if code in _JPEG_SIZES:
            height, width = struct.unpack_from('>HH', data, position + 3)
            size = width, height
        elif code == 0xE1 and orientation == 1:
            orientation = _exif_orientation(data[position + 2 : position + length])
        scans += code == 0xDA
        position += length
    raise DamagedImageError('the end of the JPEG is missing')


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from('>II', data, 16)
    position, orientation = 8, 1
    while position + 12 <= len(data):
        length, name = struct.unpack_from('>I4s', data, position)
        if name == b'IEND':
            return Header('PNG', width, height, orientation)
        if name == b'eXIf':
            orientation = _exif_orientation(data[position + 8 : position + 8 + length])
        position += 12 + length
    raise DamagedImageError('the end of the PNG is missing')


def _webp(data: bytes) -> Header:
    (length,) = struct.unpack_from('<I', data, 4)
    if length + 8 > len(data):
        raise DamagedImageError(f'the WebP has {len(data)} of {length + 8} bytes')
    chunk = data[12:16]
    if chunk == b'VP8X':
        width, height = (1 + int.from_bytes(data[start : start + 3], 'little') for start in (24, 27))
    elif chunk == b'VP8L':
        (bits,) = struct.unpack_from('<I', data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from('<HH', data, 26))
    position, orientation = 12, 1
    while position + 8 <= len(data):
        name, length = struct.unpack_from('<4sI', data, position)
        if name == b'EXIF':
            orientation = _exif_orientation(data[position + 8 : position + 8 + length])
        position += 8 + length + length % 2
    return Header('WebP', width, height, orientation)


def _bmp(data: bytes) -> Header:
    length, start, header = struct.unpack_from('<I4xII', data, 2)
    if header == 12:  # of OS/2
        width, height, bits = struct.unpack_from('<HH2xH', data, 18)
        compression = 0
    else:
        width, height, bits, compression = struct.unpack_from('<ii2xHI', data, 18)
    if compression in (0, 3, 6):  # not compressed
        length = start + (width * bits + 31) // 32 * 4 * abs(height)
    if len(data) < length:
        raise DamagedImageError(f'the BMP has {len(data)} of {length} bytes')
    return Header('BMP', width, abs(height))


def _tiff(data: bytes) -> Header:
    tags = _tags(data)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise DamagedImageError('the directory of the TIFF is missing')
    return Header('TIFF', tags[_WIDTH], tags[_HEIGHT], unsigned=tags.get(_NUMBER_KIND, 1) == 1)


def _pnm(data: bytes) -> Header:
    match = _PNM.match(data)
    if match is None:
        raise DamagedImageError('the PNM ends within its header')
    kind, width, height, largest = map(int, match.groups())
    length = match.end() + width * height * (3 if kind == 6 else 1) * (1 if largest < 256 else 2)
    if len(data) < length:
        raise DamagedImageError(f'the PNM has {len(data)} of {length} bytes')
    return Header('PNM', width, height)


def _exif_orientation(exif: bytes) -> int:
    """Return the orientation in EXIF data; 1 if there is none or the data are broken, as all viewers do."""
    try:
        orientation = _tags(exif.removeprefix(b'Exif\0\0')).get(_ORIENTATION, 1)
    except struct.error:
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _tags(tiff: bytes) -> Mapping[int, int]:
    """Return the tags with one whole number in the first directory of TIFF or EXIF data."""
    order = {b'II*\0': '<', b'MM\0*': '>'}.get(tiff[:4])
    if order is None:
        return {}
    (start,) = struct.unpack_from(f'{order}I', tiff, 4)
    (count,) = struct.unpack_from(f'{order}H', tiff, start)
    tags = {}
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(f'{order}HHI', tiff, entry)
        if values == 1 and kind in _NUMBERS:
            (tags[tag],) = struct.unpack_from(f'{order}{_NUMBERS[kind]}', tiff, entry + 8)
    return tags


_SIGNATURES = {b'\xff\xd8\xff': 'JPEG', b'\x89PNG\r\n\x1a\n': 'PNG', b'II*\0': 'TIFF', b'MM\0*': 'TIFF'}
_READERS: Mapping[str, Callable[[bytes], Header]] = {
    'JPEG': _jpeg,
    'PNG': _png,
    'WebP': _webp,
    'BMP': _bmp,
    'TIFF': _tiff,
    'PNM': _pnm,
}
KINDS = tuple(_READERS)
