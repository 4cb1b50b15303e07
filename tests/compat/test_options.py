import argparse

import pytest
from mmengine.config import DictAction


def parse(text):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args(['--cfg-options', f'key={text}']).cfg_options['key']


@pytest.mark.parametrize(
    ('text', 'value'),
    [  # what MMEngine documents
        ('1', 1),
        ('1e-3', 1e-3),
        ('True', True),
        ('None', None),
        ('AdamW', 'AdamW'),
        ('', ''),
        ('1,2,3', [1, 2, 3]),
        ('[a, b, c]', ['a', 'b', 'c']),
        ('[(1, 2, 3), [a, b], c]', [(1, 2, 3), ['a', 'b'], 'c']),
        ('(240,320)', (240, 320)),
        ('(1,)', (1,)),
        ('[]', []),
        ('()', ()),
        ('a,', ['a']),
        ("['decode_head','auxiliary_head']", ['decode_head', 'auxiliary_head']),
        ("'a','b'", ['a', 'b']),
        ('"[1,2]"', [1, 2]),
        ('(1,2),(3,4)', [(1, 2), (3, 4)]),
        ('x=1', 'x=1'),
        # what it lost
        ('my data/camvid', 'my data/camvid'),
        ("'a,b'", 'a,b'),
        ('"a, b"', 'a, b'),
        ("['a, b', c d]", ['a, b', 'c d']),
        ("'2024'", '2024'),
        ("'None'", 'None'),
        ("[it's, fine]", ["it's", 'fine']),
        ("it's here", "it's here"),
        ('copy (1).pth', 'copy (1).pth'),
    ],
)
def test_values_are_read_as_documented_and_text_stays_whole(text, value):
    assert parse(text) == value
    assert type(parse(text)) is type(value)


@pytest.mark.parametrize('name', ['a,b.pth', 'a, b/c d.pth', "it's, mine.pth", '[x],y.pth', "'q',r.pth"])
def test_a_path_with_commas_that_exists_or_can_be_made_is_one_value(tmp_path, monkeypatch, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    assert parse(str(file)) == str(file)  # to be written
    file.touch()
    monkeypatch.chdir(tmp_path)
    assert parse(str(file)) == str(file)
    if name[0] not in '[\'"':
        assert parse(name) == name
