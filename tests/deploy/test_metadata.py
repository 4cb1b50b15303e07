import json
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from mmseg_bisenet_lite.deploy import Calibration, Metadata, OperatingPoints
from mmseg_bisenet_lite.utils.errors import InputError

FOUND_ON_VAL = dict(
    best_threshold=1.14,
    calibration=Calibration(0.63, -1.44),
    operating_points=OperatingPoints((-1.0, 0.5), (0.5, 0.9), (0.95, 0.7)),
    folded=-1.5,
)


@pytest.mark.parametrize(
    'changes',
    [{}, dict(size=None, batch=None, commit='abc+', checked_on='x86_64 avx2', rest='fp32'), FOUND_ON_VAL],
)
def test_what_is_written_is_read(metadata, changes):
    metadata = replace(metadata, **changes)
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # every field has a check
        assert Metadata.from_json(metadata.to_json(), Path('a.onnx')) == metadata


@pytest.mark.parametrize('text', [None, '', '{', '[]', '{}'])
def test_other_texts_are_refused(text):
    with pytest.raises(InputError, match=r'a\.onnx: not a file that tools/export\.py wrote'):
        Metadata.from_json(text, Path('a.onnx'))


# As version 0.1.0 wrote it at commit 45338c8, before there was a format number.
BEFORE = (
    '{"classes": ["background", "vehicle"], "palette": [[0, 0, 0], [0, 0, 142]], "size": [64, 32], "batch": 1, '
    '"precision": "fp32", "margin": true, "config": "a.py", "commit": null, "weights_sha256": "00", "version": "0.1.0", '
    '"rest": null, "threshold": 0.5}'
)


def test_files_from_before_there_was_a_number_are_read():
    metadata = Metadata.from_json(BEFORE, Path('a.onnx'))
    assert (metadata.size, metadata.threshold, metadata.format) == ((64, 32), 0.5, 1)
    assert metadata.calibration is metadata.operating_points is metadata.best_threshold is metadata.folded is None


def test_fields_of_newer_versions_are_told(metadata):
    newer = {**json.loads(metadata.to_json()), 'version': '9.0', 'blur': 1}
    with pytest.warns(UserWarning, match=r'a\.onnx: written by a newer mmseg-bisenet-lite, 9\.0; ignored unknown fields: blur'):
        assert Metadata.from_json(json.dumps(newer), Path('a.onnx')) == replace(metadata, version='9.0')


def test_a_newer_format_is_refused(metadata):
    newer = {**json.loads(metadata.to_json()), 'format': 2, 'version': '9.0'}
    with pytest.raises(InputError, match=r'a\.onnx: has format 2, written by .* 9\.0; .* formats up to 1: update'):
        Metadata.from_json(json.dumps(newer), Path('a.onnx'))


@pytest.mark.parametrize('missing', ['palette', 'classes', 'size', 'commit'])
def test_a_damaged_text_is_refused(metadata, missing):
    content = {key: value for key, value in json.loads(metadata.to_json()).items() if key != missing}
    with pytest.raises(InputError, match=r'a\.onnx: not a file that tools/export\.py wrote, or a damaged one'):
        Metadata.from_json(json.dumps(content), Path('a.onnx'))
