"""TensorRT's writer against a stand-in that records what it is told."""

from dataclasses import replace
from itertools import pairwise
from types import ModuleType, SimpleNamespace

import onnx
import pytest

from mmseg_bisenet_lite.deploy.digest import UNSEALED
from mmseg_bisenet_lite.export import quantise
from mmseg_bisenet_lite.export.formats import tensorrt_format
from mmseg_bisenet_lite.export.formats.tensorrt_format import write
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.samples import RenderedSamples
from mmseg_bisenet_lite.models.decision import DecisionRecord
from mmseg_bisenet_lite.pretrained import names
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config
from mmseg_bisenet_lite.pretrained.weights import read_meta
from mmseg_bisenet_lite.utils.errors import InputError

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def segmentor(small_config, small_checkpoint):
    return load_segmentor('small', read_config(str(small_config)), str(small_checkpoint))


@pytest.fixture
def told(monkeypatch):
    told = SimpleNamespace(flags=[], shapes=[], readable=True, engine=b'engine')
    network = SimpleNamespace(name='')
    told.network = network
    config = SimpleNamespace(clear_flag=told.flags.append, add_optimization_profile=lambda profile: None)
    profile = SimpleNamespace(set_shape=lambda name, *shapes: told.shapes.append((name, *shapes)))

    def create_network(flags):
        told.network_flags = flags
        return network

    def parse(content):
        told.model = onnx.load_from_string(content)
        return told.readable

    module = ModuleType('tensorrt')
    module.__version__ = '11'
    module.Logger = type('Logger', (), {'ERROR': 1, '__init__': lambda self, level: None})
    module.Builder = lambda logger: SimpleNamespace(
        create_network=create_network,
        create_builder_config=lambda: config,
        create_optimization_profile=lambda: profile,
        build_serialized_network=lambda network, config: told.engine,
    )
    module.OnnxParser = lambda network, logger: SimpleNamespace(
        parse=parse, get_error=lambda i: SimpleNamespace(desc=lambda: 'no such operator\nand more')
    )
    module.NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    module.BuilderFlag = SimpleNamespace(TF32='TF32')
    monkeypatch.setattr(tensorrt_format, 'require', lambda *_: module)  # PyTorch too looks at sys.modules for it
    told.module = module
    return told


def job(segmentor, metadata, **changes):
    samples = RenderedSamples((64, 32), 6)
    return Job(segmentor, replace(metadata, **{'size': (64, 32), 'precision': 'fp32', **changes}), samples[:4], samples[4:])


@pytest.mark.parametrize(('precision', 'kind'), [('fp32', 'FLOAT'), ('fp16', 'FLOAT16'), ('bf16', 'BFLOAT16')])
def test_the_graphs_own_types_say_what_is_computed_in_what(told, segmentor, metadata, tmp_path, precision, kind):
    wanted = job(segmentor, metadata, precision=precision)
    write(wanted, tmp_path / 'a.engine')
    assert (tmp_path / 'a.engine').read_bytes() == b'engine'
    assert told.network_flags == 1 << 1
    assert told.flags == ['TF32']
    assert told.network.name == wanted.metadata.to_json()
    assert told.shapes == []
    weights = {weight.name: weight.data_type for weight in told.model.graph.initializer}
    kinds = {weights[node.input[1]] for node in told.model.graph.node if node.op_type == 'Conv'}
    assert kinds == {getattr(onnx.TensorProto, kind)}
    # TensorRT turns uint8 into floating-point numbers before anything else, and gives it from nothing else.
    assert [node.op_type for node in told.model.graph.node if 'frames' in node.input] == ['Cast']
    producers = {output: node for node in told.model.graph.node for output in node.output}
    assert producers['mask'].op_type == 'Cast'
    assert producers[producers['mask'].input[0]].op_type == 'Cast'


def test_int8_is_symmetric(told, segmentor, metadata, tmp_path, monkeypatch):
    monkeypatch.setattr(quantise, 'spare', lambda layers, score, enough: [])
    write(job(segmentor, metadata, precision='int8'), tmp_path / 'a.engine')
    weights = {weight.name: onnx.numpy_helper.to_array(weight) for weight in told.model.graph.initializer}
    zeros = [weights[node.input[2]] for node in told.model.graph.node if node.op_type == 'QuantizeLinear']
    assert zeros
    assert all(zero.dtype == 'int8' and not zero.any() for zero in zeros)
    # Its parser takes no int32, which biases would be.
    kinds = {weights[node.input[2]].dtype.name for node in told.model.graph.node if node.op_type == 'DequantizeLinear'}
    assert kinds == {'int8'}


@pytest.fixture
def trivial(monkeypatch):
    """In the place of the graph, where it does not matter."""
    monkeypatch.setattr(tensorrt_format, 'build', lambda job: onnx.ModelProto())


def test_free_axes_have_a_profile(told, segmentor, metadata, tmp_path, trivial):
    write(job(segmentor, metadata, size=None, batch=None), tmp_path / 'a.engine')
    ((name, *shapes),) = told.shapes
    assert name == 'frames'
    assert len(shapes) == 3
    assert all(a <= b for low, high in pairwise(shapes) for a, b in zip(low, high, strict=True))
    write(job(segmentor, metadata, batch=None), tmp_path / 'a.engine')
    assert [shape[1:] for shape in told.shapes[1][1:]] == [(32, 64, 3)] * 3
    write(job(segmentor, metadata, size=None), tmp_path / 'a.engine')
    assert [shape[0] for shape in told.shapes[2][1:]] == [1] * 3


def test_what_fails_is_one_line(told, segmentor, metadata, tmp_path, trivial):
    told.readable = False
    with pytest.raises(InputError, match=r'TensorRT 11 cannot read the network \(no such operator\); try another version'):
        write(job(segmentor, metadata), tmp_path / 'a.engine')
    told.readable, told.engine = True, None
    with pytest.raises(InputError, match='TensorRT cannot build the engine'):
        write(job(segmentor, metadata), tmp_path / 'a.engine')

    def no_gpu(logger):
        raise TypeError('pybind11::init(): factory function returned nullptr')

    told.module.Builder = no_gpu
    with pytest.raises(InputError, match='TensorRT finds no NVIDIA GPU; export the engine on the machine'):
        write(job(segmentor, metadata), tmp_path / 'a.engine')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('name', names())
def test_metadata_that_the_name_of_an_engine_cannot_hold_are_refused(told, segmentor, metadata, tmp_path, trivial, name):
    """The operating points of real weights fit."""
    points = DecisionRecord.of({'meta': read_meta(f'bisenet-lite://{name}')}, '').operating_points
    assert len(points.threshold) > 20
    write(job(segmentor, metadata, operating_points=points, file_sha256=UNSEALED), tmp_path / 'a.engine')
    assert len(points.threshold) * 18 < len(told.network.name) < 4096
    long = job(segmentor, metadata, operating_points=points, classes=('rest', 'x' * 1000), config='x' * 1000)
    with pytest.raises(InputError, match=r'--format tensorrt: the metadata have \d{4} bytes, .* room for 4095; use shorter'):
        write(long, tmp_path / 'b.engine')
    assert not (tmp_path / 'b.engine').exists()
