"""Texts in the metadata of PNG files: their tEXt chunks. OpenCV reads and writes them only from version 5 on."""

import struct
import zlib
from collections.abc import Mapping

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_AFTER_HEADER = len(_SIGNATURE) + 25  # the first chunk, IHDR, has 25 bytes in every PNG


def with_texts(png: bytes, texts: Mapping[str, str]) -> bytes:
    """Return a PNG file with texts; keys of 1 to 79 letters and values, in Latin-1 without NUL.

    Source: PNG specification, section 11.3.3.2.
    """
    chunks = b''.join(_chunk(f'{key}\0{value}'.encode('latin-1')) for key, value in texts.items())
    return png[:_AFTER_HEADER] + chunks + png[_AFTER_HEADER:]


def texts_of(png: bytes) -> dict[str, str]:
    """Return the texts of a PNG file; none if it is no PNG."""
    texts = {}
    position = len(_SIGNATURE) if png.startswith(_SIGNATURE) else len(png)
    while position + 12 <= len(png):
        length, name = struct.unpack_from('>I4s', png, position)
        content = png[position + 8 : position + 8 + length]
        position += 12 + length
        if name == b'tEXt' and position <= len(png):
            key, _, value = content.decode('latin-1').partition('\0')
            texts[key] = value
    return texts


def _chunk(data: bytes) -> bytes:
    named = b'tEXt' + data
    return struct.pack('>I', len(data)) + named + struct.pack('>I', zlib.crc32(named))
