import os
import time

import numpy as np
import pytest

from mmseg_bisenet_lite import CityscapesHumanDataset, CityscapesVehicleDataset
from mmseg_bisenet_lite.datasets.decoded_cache import DecodedCache
from mmseg_bisenet_lite.utils.errors import InputError

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResizeCropFlip', scale_factors=(0.75, 1.0, 1.5), crop_size=(24, 32)),
    dict(type='PackSegInputs'),
]


@pytest.fixture
def photograph(tmp_path):
    file = tmp_path / 'a.png'
    file.write_bytes(b'not decoded here')
    return file


class Decoder:
    """Counts how often it is called."""

    def __init__(self, shape=(6, 8, 3)):
        self.pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return self.pixels


def test_each_file_is_decoded_once(photograph, tmp_path):
    decoder = Decoder()
    for _ in range(3):  # each time as in another process
        pixels = DecodedCache(tmp_path / 'cache', 1).get(str(photograph), 'color', decoder)
        assert np.array_equal(pixels, decoder.pixels)
    assert decoder.calls == 1
    assert [file.suffix for file in (tmp_path / 'cache').iterdir()] == ['.npy']


def test_whoever_writes_into_the_pixels_leaves_the_cache_as_it_is(photograph, tmp_path):
    cache, decoder = DecodedCache(tmp_path / 'cache', 1), Decoder()
    cache.get(str(photograph), 'color', decoder)
    cache.get(str(photograph), 'color', decoder)[:] = 0
    assert np.array_equal(cache.get(str(photograph), 'color', decoder), decoder.pixels)


def test_a_changed_file_and_another_kind_are_other_entries(photograph, tmp_path):
    cache, decoder = DecodedCache(tmp_path / 'cache', 1), Decoder()
    cache.get(str(photograph), 'color', decoder)
    cache.get(str(photograph), 'unchanged', decoder)
    assert decoder.calls == 2
    os.utime(photograph, ns=(0, 0))
    cache.get(str(photograph), 'color', decoder)
    assert decoder.calls == 3


def test_it_never_grows_beyond_its_limit(tmp_path):
    decoder = Decoder((100, 100, 3))
    cache = DecodedCache(tmp_path / 'cache', 70_000 / 2**30)  # room for two
    for name in 'abcd':
        (tmp_path / name).touch()
        for _ in range(2):
            cache.get(str(tmp_path / name), 'color', decoder)
    assert len(list((tmp_path / 'cache').iterdir())) == 2
    assert decoder.calls == 2 + 2 * 2
    DecodedCache(tmp_path / 'cache', 70_000 / 2**30).get(str(tmp_path / 'd'), 'color', decoder)
    assert len(list((tmp_path / 'cache').iterdir())) == 2


def test_files_that_other_workers_write_are_no_trouble(photograph, tmp_path, monkeypatch):
    """One gets its final name while the folder is measured; another was left by a killed worker."""
    cache, scan = DecodedCache(tmp_path / 'cache', 1), os.scandir
    for name, age in (('renamed.npy.1.tmp', 0), ('new.npy.2.tmp', 0), ('left.npy.3.tmp', 10_000)):
        (cache.folder / name).write_bytes(b'half')
        os.utime(cache.folder / name, (time.time() - age,) * 2)

    def scandir(folder):
        entries = list(scan(folder))
        (cache.folder / 'renamed.npy.1.tmp').rename(cache.folder / 'renamed.npy')
        return entries

    monkeypatch.setattr(os, 'scandir', scandir)
    cache.get(str(photograph), 'color', Decoder())
    assert not cache.full
    assert {file.name for file in cache.folder.iterdir()} >= {'renamed.npy', 'new.npy.2.tmp'}
    assert not (cache.folder / 'left.npy.3.tmp').exists()
    assert len(list(cache.folder.iterdir())) == 3


def test_a_full_disk_ends_caching_and_not_the_training(photograph, tmp_path, monkeypatch):
    def no_room(file, pixels):
        file.write(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(np, 'save', no_room)
    cache, decoder = DecodedCache(tmp_path / 'cache', 1), Decoder()
    with pytest.warns(UserWarning, match='caching stops, training continues: .*No space left'):
        assert cache.get(str(photograph), 'color', decoder) is decoder.pixels
    cache.get(str(photograph), 'color', decoder)
    assert not list((tmp_path / 'cache').iterdir())


def test_a_damaged_entry_is_named(photograph, tmp_path):
    cache = DecodedCache(tmp_path / 'cache', 1)
    cache.get(str(photograph), 'color', Decoder())
    (entry,) = (tmp_path / 'cache').iterdir()
    for content in (entry.read_bytes()[:-20], b'', b'nonsense'):
        entry.write_bytes(content)
        with pytest.raises(InputError, match=f'{entry.name}: this cache file is damaged; delete it'):
            cache.get(str(photograph), 'color', Decoder())


def test_files_of_other_backends_are_refused(tmp_path):
    with pytest.raises(InputError, match=r's3://bucket/a\.png: cache_dir works for local files only'):
        DecodedCache(tmp_path / 'cache', 1).get('s3://bucket/a.png', 'color', Decoder())


def test_decoders_have_their_own_entries(toy, tmp_path):
    prefix = dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')
    for backend in ('cv2', 'pillow'):
        steps = [dict(step, imdecode_backend=backend) for step in PIPELINE[:2]]
        CityscapesVehicleDataset(data_root=str(toy), data_prefix=prefix, pipeline=steps, cache_dir=str(tmp_path / 'cache'))[0]
    assert len(list((tmp_path / 'cache').iterdir())) == 4


def test_wrong_arguments_are_named(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match=r'cache_dir=.*: this folder cannot be created or written to'):
        DecodedCache(tmp_path / 'file', 1)
    for gib in (0, -1, float('nan')):
        with pytest.raises(InputError, match='cache_gib='):
            DecodedCache(tmp_path / 'cache', gib)
    with pytest.raises(FileNotFoundError, match='absent'):
        DecodedCache(tmp_path / 'cache', 1).get(str(tmp_path / 'absent'), 'color', Decoder())


@pytest.mark.parametrize('kind', [CityscapesVehicleDataset, CityscapesHumanDataset])
def test_samples_are_the_same_with_it(toy, tmp_path, kind):
    prefix = dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')
    plain, first, second = (
        kind(data_root=str(toy), data_prefix=prefix, pipeline=PIPELINE, **options)
        for options in ({}, *[dict(cache_dir=str(tmp_path / 'cache'))] * 2)
    )
    for index in range(len(plain)):
        np.random.seed(index)
        expected = plain[index]
        for dataset in (first, second):
            np.random.seed(index)
            sample = dataset[index]
            assert (sample['inputs'] == expected['inputs']).all()
            assert (sample['data_samples'].gt_sem_seg.data == expected['data_samples'].gt_sem_seg.data).all()
            assert sample['data_samples'].metainfo == expected['data_samples'].metainfo
    assert len(list((tmp_path / 'cache').iterdir())) == 2 * 8  # photographs and label maps, not their quarters
