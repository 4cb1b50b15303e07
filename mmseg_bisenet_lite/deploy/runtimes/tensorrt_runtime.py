"""TensorRT, on NVIDIA GPUs."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_bisenet_lite.deploy.digest import check_sealed, read_sealed
from mmseg_bisenet_lite.deploy.metadata import FRAMES, MARGIN, MASK, Metadata
from mmseg_bisenet_lite.deploy.runtimes.graph import Port, check_graph
from mmseg_bisenet_lite.deploy.runtimes.runtime import only_precision
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require


class TensorrtRuntime:
    """An ``.engine`` file in TensorRT; see :class:`~mmseg_bisenet_lite.deploy.runtimes.Runtime`.

    An engine is code for one kind of GPU and one version of TensorRT: load engines only from people you trust.

    Source: https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/python-api-docs.html
    """

    name = 'tensorrt'

    def __init__(self, file: Path, device: str | None, threads: int | None, precision: str | None) -> None:
        library = require('tensorrt', 'tensorrt')
        self._cuda = Cuda(require('cuda.bindings.runtime', 'cuda-python'))
        found = re.fullmatch(r'cuda(?::(\d+))?', (device or 'cuda:0').lower())
        if found is None:
            raise InputError(f'device={device!r}: TensorRT runs on NVIDIA GPUs; give cuda:N')
        if threads is not None:
            raise InputError(f'threads={threads}: works on the CPU only, not with TensorRT; remove it')
        self._device = int(found[1] or 0)
        self._cuda.call('cudaSetDevice', self._device)
        self._runtime = library.Runtime(
            library.Logger(library.Logger.ERROR)
        )  # the engine needs its runtime as long as it lives
        content, sealed = read_sealed(file)
        self._engine = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            raise InputError(f'{file}: TensorRT {library.__version__} cannot load it on this GPU; export it on this machine')
        self.metadata = Metadata.from_json(self._engine.name, file)
        check_sealed(sealed, self.metadata, file)
        ports = [(self._engine.get_tensor_mode(name), _port(library, self._engine, name)) for name in _tensors(self._engine)]
        inputs, outputs = ([port for is_of, port in ports if is_of == mode] for mode in _modes(library))
        check_graph(self.metadata, inputs, sorted(outputs, key=lambda port: port.name != MASK), file)
        self.precision = only_precision(self.metadata, precision, file)
        self._outputs = {MASK: np.uint8, **({MARGIN: np.float32} if self.metadata.margin else {})}
        self._contexts = threading.local()  # a context serves one thread at a time

    def __call__(self, frames: np.ndarray) -> Sequence[np.ndarray]:
        """Run the graph."""
        context = self._contexts.__dict__.pop('own', None) or _Context(self._engine, self._cuda, self._device)
        outputs = {name: np.empty(frames.shape[:3], dtype) for name, dtype in self._outputs.items()}
        context.run(frames, outputs)
        self._contexts.own = context  # not after an error: the next call makes a new one
        return list(outputs.values())


def _tensors(engine: Any) -> list[str]:
    return [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]


def _modes(library: Any) -> tuple[Any, Any]:
    return library.TensorIOMode.INPUT, library.TensorIOMode.OUTPUT


def _port(library: Any, engine: Any, name: str) -> Port:
    dtype = engine.get_tensor_dtype(name)
    known = {library.DataType.UINT8: 'uint8', library.DataType.FLOAT: 'float32'}
    lengths = tuple(None if length < 0 else int(length) for length in engine.get_tensor_shape(name))
    return Port(name, known.get(dtype, str(dtype)), lengths)


class _Context:
    """An execution context with its stream and its memory on the GPU, which lives as long as its thread."""

    def __init__(self, engine: Any, cuda: 'Cuda', device: int) -> None:
        self._cuda = cuda
        cuda.call('cudaSetDevice', device)  # a setting of each thread
        self._memory: dict[str, tuple[int, int]] = {}  # tensor -> address and size in bytes
        self._stream = cuda.call('cudaStreamCreate')
        self._context = engine.create_execution_context()
        if self._context is None:
            raise InputError(
                'TensorRT cannot create an execution context; the GPU may be out of memory, see the messages above'
            )

    def run(self, frames: np.ndarray, outputs: dict[str, np.ndarray]) -> None:
        """Copy the frames in, run the engine, copy the outputs out, and wait."""
        cuda, stream = self._cuda, self._stream
        to_device, to_host = cuda.enum('cudaMemcpyKind', 'HostToDevice'), cuda.enum('cudaMemcpyKind', 'DeviceToHost')
        if not self._context.set_input_shape(FRAMES, frames.shape):
            raise InputError(
                f'frames of shape {frames.shape}: the engine was not built for this number or size; export one that is'
            )
        for name, array in {FRAMES: frames, **outputs}.items():
            self._context.set_tensor_address(name, self._address(name, array.nbytes))
        cuda.call('cudaMemcpyAsync', self._memory[FRAMES][0], frames.ctypes.data, frames.nbytes, to_device, stream)
        if not self._context.execute_async_v3(int(stream)):
            raise RuntimeError('TensorRT cannot run the engine; see the messages above')
        for name, array in outputs.items():
            cuda.call('cudaMemcpyAsync', array.ctypes.data, self._memory[name][0], array.nbytes, to_host, stream)
        cuda.call('cudaStreamSynchronize', stream)

    def _address(self, name: str, size: int) -> int:
        """Return the address of GPU memory for a tensor, of at least ``size`` bytes."""
        address, has = self._memory.get(name, (0, 0))
        if has < size:
            if address:
                del self._memory[name]  # it is free, also if there is no memory for its successor
                self._cuda.call('cudaFree', address)
            address = int(self._cuda.call('cudaMalloc', size))
            self._memory[name] = address, size
        return address

    def __del__(self) -> None:
        for address, _ in self._memory.values():
            self._cuda.call('cudaFree', address)
        self._cuda.call('cudaStreamDestroy', self._stream)


class Cuda:
    """CUDA's runtime; turn the error codes of its functions into exceptions."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def enum(self, kind: str, name: str) -> Any:
        """Return a value such as ``cudaMemcpyHostToDevice``."""
        return getattr(getattr(self._library, kind), f'{kind.removesuffix("Kind")}{name}')

    def call(self, function: str, *args: Any) -> Any:
        """Call a function of the runtime; return its result without the error code.

        Raises:
            InputError: The GPU or its driver is missing.
            RuntimeError: The function failed for another reason.
        """
        error, *results = getattr(self._library, function)(*args)
        if int(error) != 0:
            message = f'{function}: {self._library.cudaGetErrorString(error)[1].decode()}'
            raise (
                InputError(f'TensorRT needs an NVIDIA GPU: {message}') if function == 'cudaSetDevice' else RuntimeError(message)
            )
        return results[0] if results else None
