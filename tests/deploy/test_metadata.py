import json
from dataclasses import replace
from pathlib import Path

import pytest

from mmseg_bisenet_lite.deploy import Metadata
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.mark.parametrize('changes', [{}, dict(size=None, batch=None, commit='abc+')])
def test_what_is_written_is_read(metadata, changes):
    metadata = replace(metadata, **changes)
    assert Metadata.from_json(metadata.to_json(), Path('a.onnx')) == metadata


@pytest.mark.parametrize('text', [None, '', '{', '[]', '{}'])
def test_other_texts_are_refused(text):
    with pytest.raises(InputError, match=r'a\.onnx: not a file of tools/export\.py'):
        Metadata.from_json(text, Path('a.onnx'))


def test_texts_of_other_versions_are_refused(metadata):
    with pytest.raises(InputError, match='or of another version of it'):
        Metadata.from_json(json.dumps({**json.loads(metadata.to_json()), 'new': 1}), Path('a.onnx'))
