"""Splits of one recording: told from views of one place, and not from views of others."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.dataset_check import CheckConfig, check_dataset, recordings
from mmseg_bisenet_lite.dataset_check.recordings import ENOUGH, features_of, in_common, number_of


def street(seed):
    """A picture with blobs everywhere, none of them twice."""
    coarse = np.random.default_rng(seed).integers(0, 256, (36, 64, 3), np.uint8)
    return cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC)


def view(picture, zoom, x):
    """What a camera sees of a picture, (height, width, 3), once it has come closer and moved to the side."""
    turn = np.float32([[zoom, 0, x], [0, zoom, 0]])
    return cv2.warpAffine(picture, turn, (640, 360), borderMode=cv2.BORDER_REFLECT)


def features(picture):
    return features_of(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))


@pytest.mark.parametrize(
    ('path', 'expected'),
    [
        ('val/0016E5_07959.jpg', ('0016E5_', '', 7959)),
        ('aachen/aachen_000000_000019_leftImg8bit.png', ('aachen_000000_', '_leftImg8bit', 19)),
        ('12.png', ('', '', 12)),
        ('street.png', None),
    ],
)
def test_the_number_of_a_file(path, expected):
    assert number_of(path) == expected


def test_one_place_has_features_in_common_and_two_places_have_not():
    seen = features(street(0))
    assert in_common(seen, features(view(street(0), 1.3, -40))) >= 2 * ENOUGH
    assert all(in_common(seen, features(street(seed))) < ENOUGH for seed in range(1, 6))


def test_what_stays_where_it_is_does_not_count():
    scenes = [street(1), street(2)]
    for scene in scenes:
        scene[200:] = street(3)[200:]  # as a bonnet with a texture
    assert in_common(*map(features, scenes)) < ENOUGH
    assert in_common(features(scenes[0]), features(scenes[0])) == 0


def test_a_picture_without_features_has_none_in_common():
    plain = np.full((360, 640, 3), 128, np.uint8)
    assert in_common(features(plain), features(street(0))) == 0


@pytest.mark.parametrize('shape', [(3, 4000, 3), (4000, 1, 3)])
def test_a_strip_has_a_picture_too(monkeypatch, shape):
    monkeypatch.setattr(recordings, 'read_photograph', lambda *_: (b'', np.zeros(shape, np.uint8)))
    points, _ = recordings._features(SimpleNamespace(part=None, photograph='strip.png'))
    assert len(points) == 0


@pytest.fixture
def drives(tmp_path):
    """Write train and val; ``drives(places of train, places of val)``, each place seen from four points."""

    def write(*splits):
        for name, places in zip(('train', 'val'), splits, strict=True):
            for folder, ending in ((name, 'jpg'), (f'{name}annot', 'png')):
                (tmp_path / folder).mkdir(exist_ok=True)
                for number, place in enumerate(places):
                    first = 10 * number + 5 * (name == 'val')
                    picture = view(street(place), 1.05 + 0.12 * (name == 'val') + 0.4 * (number % 2), -90 * (name == 'val'))
                    label = np.tile(np.uint8([0, 255]), (360, 320))
                    assert cv2.imwrite(
                        str(tmp_path / folder / f'a_{first:05d}.{ending}'), picture if ending == 'jpg' else label
                    )
        return tmp_path

    return write


def test_splits_of_one_recording_are_told_in_plain_words(drives):
    pytest.importorskip('imagehash', reason='ImageHash, of the extra check, is not installed')
    result, _ = check_dataset(CheckConfig(drives(range(4), range(4)), workers=2))
    told = ' '.join(result.statements)
    assert '4 of 4 compared photographs of val show the place of one of train' in told
    assert 'a score on val flatters the network' in told
    found = [each for each in result.findings if each.kind == 'same recording across splits']
    assert [(each.split, each.file[-11:-4], each.other[-11:-4]) for each in found] == [
        ('val', f'a_{10 * number + 5:05d}', f'a_{10 * number:05d}') for number in range(4)
    ]
    assert not result.failed


def test_splits_of_different_recordings_are_not_accused(drives):
    pytest.importorskip('imagehash', reason='ImageHash, of the extra check, is not installed')
    result, _ = check_dataset(CheckConfig(drives(range(4), range(20, 24)), workers=2))
    assert '0 of 4 compared photographs of val show the place of one of train' in ' '.join(result.statements)
    assert 'seem to be from different recordings' in ' '.join(result.statements)
    assert result.findings == []
