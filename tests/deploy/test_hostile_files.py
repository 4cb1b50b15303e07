"""Exported files that were damaged, mixed up or made to lie: one line that names the file, never a trace, never a mask."""

import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper

from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.deploy.digest import UNSEALED, seal
from mmseg_bisenet_lite.deploy.metadata import KEY
from mmseg_bisenet_lite.deploy.runtimes.openvino_runtime import the_core
from mmseg_bisenet_lite.utils.errors import InputError

NAN, INFINITY = float('nan'), float('inf')
WIDTH, HEIGHT = 6, 4
FRAME = np.arange(WIDTH * HEIGHT * 3, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3)


def model(text, weight=35.0, shape=(1, HEIGHT, WIDTH), output='mask', kind=TensorProto.UINT8):
    """A network: foreground where the mean of the three channels is above its one weight."""
    nodes = [
        helper.make_node('Cast', ['frames'], ['numbers'], to=TensorProto.FLOAT),
        helper.make_node('ReduceMean', ['numbers', 'axis'], ['mean'], keepdims=0),
        helper.make_node('Greater', ['mean', 'weight'], ['above']),
        helper.make_node('Cast', ['above'], [output], to=kind),
    ]
    weights = [numpy_helper.from_array(np.float32([weight]), 'weight'), numpy_helper.from_array(np.array([3]), 'axis')]
    graph = helper.make_graph(
        nodes,
        'network',
        [helper.make_tensor_value_info('frames', TensorProto.UINT8, (*shape, 3))],
        [helper.make_tensor_value_info(output, kind, shape)],
        weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=10)
    helper.set_model_props(made, {KEY: text})
    return made


@pytest.fixture(scope='module')
def small(metadata):
    return replace(metadata, size=(WIDTH, HEIGHT), precision='fp32')


@pytest.fixture
def write(small, tmp_path):
    """Write a file of either kind with these changes of its metadata, sealed like an exported one."""

    def write(suffix, changes=None, text=None, sealed=True, folder=tmp_path, **graph):
        content = {**json.loads(replace(small, file_sha256=UNSEALED).to_json()), **(changes or {})}
        if not sealed:
            del content['file_sha256']
        text = json.dumps(content) if text is None else text
        file = folder / f'a{suffix}'
        made = model(text, **graph)
        if suffix == '.onnx':
            file.write_bytes(made.SerializeToString())
        else:
            network = the_core().read_model(made.SerializeToString())
            network.set_rt_info(text, KEY)
            openvino.save_model(network, file, compress_to_fp16=False)
        if sealed and UNSEALED in text.replace('"weights_sha256": "' + UNSEALED, ''):
            seal(file)
        return file

    return write


BOTH = pytest.mark.parametrize('suffix', ['.onnx', '.xml'])


@BOTH
def test_a_good_file_runs(write, suffix):
    segmenter = Segmenter(write(suffix))
    assert np.array_equal(segmenter(FRAME), FRAME.astype(np.float32).mean(-1) > 35)


@BOTH
def test_capital_letters_in_the_ending_change_nothing(write, suffix):
    file = write(suffix)
    capital = file.rename(file.with_suffix(suffix.upper()))
    assert Segmenter(capital)(FRAME).any()
    if suffix == '.xml':
        file.with_suffix('.bin').write_bytes(b'0')
        with pytest.raises(InputError, match=r'a\.XML: a\.XML and a\.bin do not fit'):
            Segmenter(capital)


LIES = [
    *(
        {'classes': lie}
        for lie in ([1, 2], 'ab', None, ['a'], ['a', 'a'], ['a', ''], ['a', 'b', 'c'], ['a', '\x1b[2J'], ['a', 'x' * 1001])
    ),
    *({'classes': lie} for lie in (['a', '\ud800'], ['a', 'b\nc'], {'a': 1, 'b': 2}, 7)),
    *(
        {'palette': lie}
        for lie in ('red', [[0, 0], [1, 2]], [['a', 'b', 'c']] * 2, [[0, 0, 0]], [[0, 0, 256]] * 2, [[0, 0, 0.5]] * 2, None)
    ),
    *({'palette': lie} for lie in ([[0, 0, -1]] * 2, [[True, 0, 0]] * 2, [[0, 0, 0]] * 3)),
    *(
        {'size': lie}
        for lie in ([-96, -64], [0, 0], [10**5, 10**5], [HEIGHT, WIDTH], [6], 'ab', [6.5, 4], [True, 4], None, [2**90, 1], 6)
    ),
    *({'batch': lie} for lie in (0, -1, 2, 10**9, '1', 1.0, True, None, [1])),
    *({'precision': lie} for lie in ('fp8', 32, None, ['fp32'], '')),
    *({'rest': lie} for lie in ('int8', 16, 'x')),
    *({'threshold': lie} for lie in (NAN, INFINITY, -INFINITY, 1e9, '0', None, True, 10**400)),
    *({key: lie} for key in ('best_threshold', 'folded') for lie in (NAN, 1e9, '0', [0])),
    *({'calibration': lie} for lie in ([1, 0], {}, 'x', {'temperature': 0, 'bias': 0}, {'temperature': 1, 'bias': NAN})),
    *(
        {'operating_points': {'threshold': [0, 1], 'precision': [0.5, 0.9], 'recall': [0.9, 0.5], **lie}}
        for lie in ({'recall': []}, {'recall': [0.9, -1]}, {'threshold': [1, 1]}, {'precision': [0.5, True]}, {'threshold': {}})
    ),
    *({'margin': lie} for lie in (True, 1, 'yes', None)),
    *({'format': lie} for lie in (0, -1, True, '1', 2.0, None, 2, 10**30)),
    *({'version': lie} for lie in (None, 1, '\x1b]0;x\x07')),
    *({'config': lie} for lie in (None, 'a\nb', 5)),
    *({'weights_sha256': lie} for lie in (None, 'z' * 64, 5)),
    *({'file_sha256': lie} for lie in ('0', 5, 'x' * 64)),
]


@BOTH
@pytest.mark.parametrize('lie', LIES, ids=lambda lie: ascii(lie)[:40])
def test_a_lie_is_refused(write, suffix, lie):
    file = write(suffix, lie)
    with pytest.raises(InputError, match=rf'a\{suffix}: ') as error:
        Segmenter(file)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 600
    assert any(word in str(error.value) for word in (*lie, 'promise', 'JSON', 'digest'))


@BOTH
@pytest.mark.parametrize(
    'text',
    [
        '',
        '{}',
        'null',
        '[]',
        '"a"',
        '{' * 5000,
        '{"classes": 1, "classes": 2, "precision": 1, "weights_sha256": 1}',
        'x' * 200_000,
    ],
    ids=range(8),
)
def test_a_text_that_is_no_metadata_is_refused(write, suffix, text):
    with pytest.raises(InputError, match=rf'a\{suffix}: not a file that tools/export\.py wrote'):
        Segmenter(write(suffix, text=text))


@BOTH
def test_a_file_from_before_there_were_digests_is_told(write, suffix):
    with pytest.warns(UserWarning, match=rf'a\{suffix}: has no digest, so damage is not noticed; export it again'):
        assert Segmenter(write(suffix, sealed=False))(FRAME).any()


@BOTH
def test_fields_of_newer_versions_are_told(write, suffix):
    file = write(suffix, {'blur\x1b[2J': 1, 'version': '9.0'})
    with pytest.warns(UserWarning, match=r'written by a newer mmseg-bisenet-lite, 9\.0; ignored unknown fields: blur\\x1b\[2J'):
        Segmenter(file)
    with pytest.raises(InputError, match='a damaged one'):  # such a version writes a digest, so its name is what is unknown
        Segmenter(write(suffix, {'fyle_sha256': UNSEALED}, sealed=False))


@pytest.mark.parametrize('changed', ['a.onnx', 'a.xml', 'a.bin'])
def test_every_byte_is_in_the_digest(write, tmp_path, changed):
    opened = write('.onnx' if changed == 'a.onnx' else '.xml')
    file = tmp_path / changed
    good = file.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(good), min(50, len(good)), replace=False):
        damaged = bytearray(good)
        damaged[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        with pytest.raises(InputError, match=rf'{opened.name}: ') as error:
            Segmenter(opened)
        assert '\n' not in str(error.value)


def test_the_weights_of_another_network_are_refused(write, tmp_path):
    other = tmp_path / 'other'
    other.mkdir()
    file, its = write('.xml'), write('.xml', weight=50.0, folder=other)
    shutil.copy(its.with_suffix('.bin'), tmp_path)
    with pytest.raises(InputError, match=r'a\.xml: a\.xml and a\.bin do not fit: damaged, changed .*, or from another export'):
        Segmenter(file)


@BOTH
@pytest.mark.parametrize(
    'graph',
    [dict(shape=(2, HEIGHT, WIDTH)), dict(shape=(1, WIDTH, HEIGHT)), dict(output='other'), dict(kind=TensorProto.INT32)],
)
def test_a_graph_that_takes_or_gives_something_else_is_refused(write, suffix, graph):
    with pytest.raises(
        InputError, match=rf'a\{suffix}: its metadata promise frames \(1, 4, 6, 3\) uint8; mask .* but the graph has '
    ):
        Segmenter(write(suffix, **graph))


@BOTH
@pytest.mark.parametrize(
    'content', [b'', b'text', b'\x00' * 1000, b'\x93' * 1000, b'<net>', b'<?xml version="1.0"?>', '"\ud800"']
)
def test_what_is_no_network_is_refused(write, suffix, content):
    file = write(suffix)
    file.write_bytes(content if isinstance(content, bytes) else content.encode('utf-8', 'surrogatepass'))
    with pytest.raises(InputError, match=rf'a\{suffix}: ') as error:
        Segmenter(file)
    assert '\n' not in str(error.value)


@BOTH
def test_mutations_without_a_digest_never_end_in_a_trace(write, tmp_path, suffix):
    """Damage that no digest shows reaches the runtimes' own readers."""
    file = write(suffix, sealed=False)
    good, rng = file.read_bytes(), np.random.default_rng(1)
    refused = 0
    for _ in range(50):
        start, length = (int(value) for value in (rng.integers(len(good)), rng.integers(1, 30)))
        change = [
            good[:start],
            good[:start] + good[start + length :],
            good[:start] + rng.bytes(length) + good[start + length :],
        ]
        file.write_bytes(change[int(rng.integers(3))])
        try:
            Segmenter(file)
        except InputError as error:
            refused += '\n' not in str(error) and file.name in str(error)
    assert refused > 25


def test_a_file_cannot_name_other_files(write, tmp_path):
    """ONNX keeps large weights in other files, anywhere; an exported file has none."""
    file = write('.onnx', sealed=False)
    network = onnx.load(file)
    (tmp_path / 'elsewhere').write_bytes(np.float32([50]).tobytes())
    weight = network.graph.initializer[0]
    weight.ClearField('raw_data')
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key='location', value='elsewhere')
    file.write_bytes(network.SerializeToString())
    with pytest.raises(InputError, match=r'a\.onnx: ONNX Runtime cannot load it') as error:
        Segmenter(file)
    assert '\n' not in str(error.value)


def test_a_graph_in_a_circle_is_refused(write):
    file = write('.onnx', sealed=False)
    network = onnx.load(file)
    network.graph.node[1].input[0] = 'mask'
    network.graph.node[3].input[0] = 'mean'
    file.write_bytes(network.SerializeToString())
    with pytest.raises(InputError, match=r'a\.onnx: ONNX Runtime cannot load it'):
        Segmenter(file)


def test_a_mask_of_other_values_is_refused(write):
    file = write('.onnx', sealed=False)
    network = onnx.load(file)
    network.graph.node[-1].input[0] = 'mean'
    file.write_bytes(network.SerializeToString())
    with pytest.raises(InputError, match='the file gave a mask of other values than 0 and 1'):
        Segmenter(file)(FRAME)
