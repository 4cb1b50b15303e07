"""Whether a video file is as long as its container says; the number of frames that it states is often only an estimate."""

import os
import struct
from pathlib import Path
from typing import BinaryIO

_MATROSKA, _SEGMENT = b'\x1a\x45\xdf\xa3', b'\x18\x53\x80\x67'
_BOXES = (b'ftyp', b'moov', b'mdat', b'moof')  # what an MP4 or MOV cannot do without


def is_cut(file: Path) -> bool:
    """Whether the end of an AVI, MP4, MOV, Matroska or WebM file is missing; ``False`` for other files.

    Raises:
        OSError: The file cannot be read.
    """
    with file.open('rb') as opened:
        length = os.fstat(opened.fileno()).st_size
        start = opened.read(12)
        find_end = _riff if start[:4] == b'RIFF' else _matroska if start[:4] == _MATROSKA else _boxes
        try:
            return find_end(opened) > length
        except struct.error:  # bytes behind the last part, too few for another one
            return False


def _riff(opened: BinaryIO) -> int:
    """Return where an AVI ends; one of more than 1 GB has several parts."""
    position = end = 0
    while True:
        opened.seek(position)
        header = opened.read(8)
        if len(header) < 8 or not header.startswith(b'RIFF'):
            return end
        length = int.from_bytes(header[4:], 'little')
        end = position + 8 + length
        position = end + length % 2


def _boxes(opened: BinaryIO) -> int:
    """Return where the last box of an MP4 or MOV ends, of those that it cannot do without."""
    position = end = 0
    while True:
        opened.seek(position)
        if not (header := opened.read(8)):
            return end
        length, name = struct.unpack('>I4s', header)
        if length == 1:
            (length,) = struct.unpack('>Q', opened.read(8))
        if length < 8 or (position == 0 and name not in (*_BOXES, b'free', b'skip', b'wide')):
            return end  # it goes on to the end of the file, or this is no box
        position += length
        if name in _BOXES:
            end = position


def _matroska(opened: BinaryIO) -> int:
    """Return where the segment of a Matroska or WebM file ends; 0 if it is as long as the file, as of a live recording."""
    opened.seek(4)
    opened.seek(_number(opened), os.SEEK_CUR)
    if opened.read(4) != _SEGMENT:
        return 0
    length = _number(opened)
    return opened.tell() + length if length else 0


def _number(opened: BinaryIO) -> int:
    """Read a number of Matroska, whose first byte says by its leading zeros how many bytes follow; 0 if it is unknown."""
    (first,) = struct.unpack('B', opened.read(1))
    more = 8 - first.bit_length()
    number = int.from_bytes(bytes([first]) + opened.read(more), 'big') & ((1 << 7 * (more + 1)) - 1)
    return 0 if number == (1 << 7 * (more + 1)) - 1 else number
