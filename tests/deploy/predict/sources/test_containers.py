"""Whole and cut containers, written by hand as their specifications say."""

import pytest

from mmseg_bisenet_lite.deploy.predict.sources.containers import is_cut


def box(name, length, large=False):
    size = (1).to_bytes(4, 'big') + name + (length + 16).to_bytes(8, 'big') if large else (length + 8).to_bytes(4, 'big') + name
    return size + bytes(length)


def riff(name, length):
    return b'RIFF' + (length + 4).to_bytes(4, 'little') + name + bytes(length + length % 2)


EBML = b'\x1a\x45\xdf\xa3\x84head'
MP4 = box(b'ftyp', 12) + box(b'moov', 100)
VIDEOS = {
    'mp4': MP4 + box(b'mdat', 300),
    'large mp4': MP4 + box(b'mdat', 300, large=True),
    'fragments': MP4 + box(b'moof', 30) + box(b'mdat', 50) + box(b'moof', 30) + box(b'mdat', 50),
    'old mov': box(b'wide', 0) + box(b'mdat', 300) + box(b'moov', 100),
    'avi': riff(b'AVI ', 200),
    'avi in parts': riff(b'AVI ', 201) + riff(b'AVIX', 100),
    'mkv': EBML + b'\x18\x53\x80\x67\x41\x00' + bytes(256),
}


@pytest.mark.parametrize('name', VIDEOS)
def test_a_container_is_cut_if_a_part_of_it_ends_behind_the_file(tmp_path, name):
    file = tmp_path / 'a'
    for missing in (1, 5, 40):
        file.write_bytes(VIDEOS[name][:-missing])
        assert is_cut(file), missing
    for behind in (b'', b'\0', bytes(40), b'some bytes that a camera adds'):
        file.write_bytes(VIDEOS[name] + behind)
        assert not is_cut(file), behind


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'a text',
        MP4 + bytes(4) + b'mdat' + bytes(99),
        EBML + b'\x18\x53\x80\x67\x01' + 7 * b'\xff' + bytes(99),
        b'\x00\x00\x01\xba' + bytes(99),
    ],
    ids=['empty', 'text', 'the last box is open', 'recorded live', 'MPEG program stream'],
)
def test_other_files_are_not_cut(tmp_path, data):
    (tmp_path / 'a').write_bytes(data)
    assert not is_cut(tmp_path / 'a')
