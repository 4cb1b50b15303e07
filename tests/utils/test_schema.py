import json

import numpy as np
import pytest

from mmseg_bisenet_lite.utils import schema
from mmseg_bisenet_lite.utils.calibration import Calibration
from mmseg_bisenet_lite.utils.errors import InputError

NAN, INFINITY = float('nan'), float('inf')


@pytest.mark.parametrize(
    ('check', 'value', 'expected'),
    [
        (schema.two_classes, ['background', 'véhicule'], ('background', 'véhicule')),
        (schema.classes, ('a', 'a', 'b '), ('a', 'a', 'b ')),
        (schema.classes, ['automated teller machine, ' * 5] * 21_841, ('automated teller machine, ' * 5,) * 21_841),
        (schema.two_colours, [[0, 0, 0], np.array([0, 0, 142])], ((0, 0, 0), (0, 0, 142))),
        (schema.palette, [], ()),
        (schema.size, (1, schema.MOST_SIDE // 2), (1, schema.MOST_SIDE // 2)),
        (schema.batch, np.int64(4), 4),
        (schema.threshold, np.float32(0.5), 0.5),
        (schema.threshold, -3, -3.0),
        (schema.calibration, {'temperature': 1, 'bias': np.float32(-0.5), 'later': 1}, Calibration(1.0, -0.5)),
        (schema.optional(schema.batch), None, None),
    ],
)
def test_what_is_true_is_taken(check, value, expected):
    assert check(value) == expected


@pytest.mark.parametrize(
    ('check', 'lies'),
    [
        (
            schema.two_classes,
            [None, 'ab', ['a'], ['a', 'b', 'c'], ['a', 'a'], ['a', ''], ['a', ' '], [1, 2], {'a': 1, 'b': 2}, ['a', 'x' * 1001]]
            + [['a', letter] for letter in ('\x1b[2J', '\n', '\ud800', '\u202e', b'b')],
        ),
        (
            schema.two_colours,
            ['red', None, [], [[0, 0, 0]], [[0, 0, 0]] * 3, [[0, 0], [1, 2]], [['a', 'b', 'c']] * 2, [[0, 0, 256], [0, 0, 0]]]
            + [[[0, 0, value], [0, 0, 0]] for value in (-1, 0.5, True, NAN, None)],
        ),
        (
            schema.size,
            [
                *('ab', 3, [96], [96, 64, 3], [-96, -64], [0, 0], [96.5, 64], [True, 64], ['96', '64'], [10**5, 64]),
                *([2**14, 2**14], [2**200, 1], [NAN, 1], {96: 1, 64: 2}),
            ],
        ),
        (schema.batch, [0, -1, 10**9, '1', 1.0, True, np.bool_(True), None, NAN, [1]]),
        (schema.precision, ['fp8', 32, None, ['fp32'], 'FP32']),
        (schema.threshold, [NAN, INFINITY, -INFINITY, 1e9, 2**2000, '0', True, None, [0.0], 1j, np.float32('nan')]),
        (schema.truth, [0, 1, 'true', None]),
        (schema.text, [None, 3, 'a\nb', '\x1b[31m', 'x' * 1001, b'a']),
        (schema.digest, ['', 'xyz', 'A' * 64, '0' * 65, 5]),
    ],
)
def test_lies_are_named(check, lies):
    for lie in lies:
        with pytest.raises(InputError, match=r'^a\.onnx: key must be ') as error:
            schema.read({'key': lie}, {'key': check}, 'a.onnx')
        assert str(error.value).isprintable()
        assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    'text',
    [
        *(None, b'{}', '', '{', '{"a": 1, "a": 2}', '{"b": {"a": 1, "a": 2}}'),
        *('[' * 50_000, '{"a":' * 10_000, f'{{"a": {"1" * 5000}}}', json.dumps('x' * 200_000)),
    ],
)
def test_texts_that_are_not_json_are_told(text):
    with pytest.raises(schema.Lie, match='JSON text'):
        schema.parse_json(text)


def test_other_things_than_keys_with_values_are_told():
    for content in (None, [], 'a', 3):
        with pytest.raises(InputError, match='metadata must be keys with values, not'):
            schema.read(content, {}, 'a.onnx')
