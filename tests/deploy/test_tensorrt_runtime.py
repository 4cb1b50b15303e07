"""TensorRT's runtime against a stand-in, for machines without it: memory is the host's, and the engine is a formula."""

import ctypes
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.deploy.digest import UNSEALED, seal
from mmseg_bisenet_lite.utils.errors import InputError


class Gpu:
    """CUDA's runtime and TensorRT, with a record of what is still allocated."""

    def __init__(self, metadata, devices=1):
        self.memory, self.devices, self.metadata, self.shape = {}, devices, metadata, (-1, -1, -1)

    def cuda(self):
        module = ModuleType('cuda.bindings.runtime')
        module.cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
        module.cudaSetDevice = lambda index: (0 if index < self.devices else 101,)
        module.cudaGetErrorString = lambda error: (0, b'invalid device ordinal')
        module.cudaStreamCreate = lambda: (0, 7)
        module.cudaStreamDestroy = module.cudaStreamSynchronize = lambda stream: (0,)
        module.cudaMalloc, module.cudaFree = self.allocate, lambda address: (0, self.memory.pop(address))[:1]
        module.cudaMemcpyAsync = lambda to, source, size, kind, stream: (0, ctypes.memmove(to, source, size))[:1]
        return module

    def allocate(self, size):
        buffer = ctypes.create_string_buffer(size)
        self.memory[ctypes.addressof(buffer)] = buffer
        return 0, ctypes.addressof(buffer)

    def tensorrt(self):
        def deserialize(content):
            if content != b'engine':
                return None
            ports = {
                'frames': ('in', 'u8', (*self.shape, 3)),
                'margin': ('out', 'f32', self.shape),
                'mask': ('out', 'u8', self.shape),
            }
            return SimpleNamespace(
                name=self.metadata.to_json(),
                create_execution_context=lambda: Context(self),
                num_io_tensors=3,
                get_tensor_name=list(ports).__getitem__,
                get_tensor_mode=lambda name: ports[name][0],
                get_tensor_dtype=lambda name: ports[name][1],
                get_tensor_shape=lambda name: ports[name][2],
            )

        module = ModuleType('tensorrt')
        module.__version__ = '11'
        module.Logger = type('Logger', (), {'ERROR': 1, '__init__': lambda self, level: None})
        module.TensorIOMode = SimpleNamespace(INPUT='in', OUTPUT='out')
        module.DataType = SimpleNamespace(UINT8='u8', FLOAT='f32')
        module.Runtime = lambda logger: SimpleNamespace(deserialize_cuda_engine=deserialize)
        return module


class Context:
    def __init__(self, gpu):
        self.gpu, self.addresses, self.shape = gpu, {}, None

    def set_input_shape(self, name, shape):
        assert name == 'frames'
        self.shape = shape
        return shape[0] < 16

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, stream):
        def array(name, dtype, shape):
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            return np.frombuffer((ctypes.c_char * size).from_address(self.addresses[name]), dtype).reshape(shape)

        frames = array('frames', np.uint8, self.shape)
        array('mask', np.uint8, self.shape[:3])[:] = frames[..., 0] > 127
        if self.gpu.metadata.margin:
            array('margin', np.float32, self.shape[:3])[:] = frames[..., 0] - 127.5
        return stream == 7


@pytest.fixture
def engine(tmp_path, monkeypatch, metadata):
    gpu = Gpu(replace(metadata, size=None, batch=None, precision='fp16', margin=True))
    for name, module in {'cuda': ModuleType('cuda'), 'cuda.bindings': ModuleType('cuda.bindings')}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, 'cuda.bindings.runtime', gpu.cuda())
    monkeypatch.setitem(sys.modules, 'tensorrt', gpu.tensorrt())
    file = tmp_path / 'a.engine'
    file.write_bytes(b'engine')
    return gpu, file


def test_frames_go_in_and_masks_come_out(engine):
    gpu, file = engine
    segmenter = Segmenter(file, device='cuda:0')
    assert (segmenter.runtime, segmenter.precision) == ('tensorrt', 'fp16')
    rng = np.random.default_rng(0)
    for shape in ((4, 6), (2, 4, 6), (1, 2, 2)):  # memory grows, and is used again for less
        frames = rng.integers(0, 256, (*shape, 3), np.uint8)
        mask, margin = segmenter.with_margin(frames)
        assert np.array_equal(mask, frames[..., 0] > 127)
        assert np.array_equal(margin, frames[..., 0] - 127.5)
    assert len(gpu.memory) == 3
    frames = rng.integers(0, 256, (9, 4, 6, 3), np.uint8)
    assert np.array_equal(np.stack(list(segmenter.stream(frames))), frames[..., 0] > 127)
    del segmenter
    assert not gpu.memory


def test_frames_that_the_engine_was_not_built_for(engine):
    with pytest.raises(InputError, match=r'frames of shape \(16, 4, 6, 3\): the engine was not built for this number'):
        Segmenter(engine[1])(np.zeros((16, 4, 6, 3), np.uint8))


def test_after_an_error_the_next_frames_have_a_context_of_their_own(engine, monkeypatch):
    gpu, file = engine
    segmenter = Segmenter(file)
    frames = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    segmenter(frames)
    context = segmenter._runtime._contexts.own
    with pytest.raises(InputError, match='was not built for this number'):
        segmenter(np.zeros((16, 4, 6, 3), np.uint8))
    assert np.array_equal(segmenter(frames), frames[..., 0] > 127)
    assert segmenter._runtime._contexts.own is not context
    allocate = sys.modules['cuda.bindings.runtime'].cudaMalloc
    monkeypatch.setattr(sys.modules['cuda.bindings.runtime'], 'cudaMalloc', lambda size: (2, None))
    with pytest.raises(InputError, match=r'cannot run on 1 frame\(s\) of 60x40: cudaMalloc'):
        segmenter(np.zeros((40, 60, 3), np.uint8))
    monkeypatch.setattr(sys.modules['cuda.bindings.runtime'], 'cudaMalloc', allocate)
    assert np.array_equal(segmenter(frames), frames[..., 0] > 127)
    del segmenter, context
    assert not gpu.memory  # and nothing was freed twice


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(device='cpu'), "device='cpu': TensorRT runs on NVIDIA GPUs; give cuda:N"),
        (dict(device='cuda:1'), 'TensorRT needs an NVIDIA GPU: cudaSetDevice: invalid device ordinal'),
        (dict(threads=1), 'threads=1: works on the CPU only, not with TensorRT'),
        (dict(precision='int8'), 'its precision is fp16; for int8, export it again'),
    ],
)
def test_what_it_cannot_do(engine, arguments, message):
    with pytest.raises(InputError, match=message):
        Segmenter(engine[1], **arguments)


def test_an_engine_of_another_shape(engine):
    engine[0].shape = (1, 32, 64)
    with pytest.raises(
        InputError, match=r'a\.engine: its metadata promise frames \(any, any, any, 3\) uint8; .* but the graph has'
    ):
        Segmenter(engine[1])


def test_a_sealed_engine_is_checked(engine):
    gpu, file = engine
    gpu.metadata = replace(gpu.metadata, file_sha256=UNSEALED)
    with pytest.raises(InputError, match=r'a\.engine: its SHA-256 digest is missing'):
        Segmenter(file)
    seal(file)
    assert file.read_bytes().startswith(b'engine\n{')
    assert Segmenter(file).precision == 'fp16'
    file.write_bytes(b'f' + file.read_bytes()[1:])
    with pytest.raises(InputError, match=r'a\.engine: its SHA-256 digest does not fit'):
        Segmenter(file)


def test_an_engine_of_another_gpu(engine):
    engine[1].write_bytes(b'other')
    with pytest.raises(InputError, match=r'a\.engine: TensorRT 11 cannot load it on this GPU; export it on this machine'):
        Segmenter(engine[1])
