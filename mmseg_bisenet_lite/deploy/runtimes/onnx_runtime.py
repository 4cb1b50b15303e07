"""ONNX Runtime."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_bisenet_lite.deploy.digest import check_sealed, read_sealed
from mmseg_bisenet_lite.deploy.metadata import FRAMES, KEY, Metadata
from mmseg_bisenet_lite.deploy.runtimes.graph import Port, check_graph
from mmseg_bisenet_lite.deploy.runtimes.runtime import only_precision
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.library import require

PROVIDERS = {'cpu': 'CPUExecutionProvider', 'cuda': 'CUDAExecutionProvider', 'tensorrt': 'TensorrtExecutionProvider'}


class OnnxRuntime:
    """An ``.onnx`` file in ONNX Runtime; see :class:`~mmseg_bisenet_lite.deploy.runtimes.Runtime`."""

    name = 'onnxruntime'

    def __init__(self, file: Path, device: str | None, threads: int | None, precision: str | None) -> None:
        library = require('onnxruntime', 'onnxruntime')
        found = re.fullmatch(r'(cpu|cuda|tensorrt)(?::(\d+))?', (device or 'cpu').lower())
        if found is None:
            raise InputError(f'device={device!r}: choose cpu, cuda:N or tensorrt:N for ONNX Runtime')
        provider = PROVIDERS[found[1]]
        available = library.get_available_providers()
        if provider not in available:
            raise InputError(
                f'device={device!r}: this ONNX Runtime has no {provider}, only {", ".join(available)}; '
                'for NVIDIA GPUs, run pip install onnxruntime-gpu'
            )
        provider_options = {} if found[1] == 'cpu' else {'device_id': found[2] or '0'}
        # From bytes, so that the file cannot name other files to read: no exported file has its weights elsewhere.
        content, sealed = read_sealed(file)
        self._errors = _errors(library)
        with as_input_error(f'{file}: ONNX Runtime cannot load it', *self._errors):
            self._session = open_session(content, threads, (provider, provider_options))
            text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
            inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if self._session.get_providers()[0] != provider:
            raise InputError(f'device={device!r}: {provider} did not start; see its messages above')
        self.metadata = Metadata.from_json(text, file)
        check_sealed(sealed, self.metadata, file)
        check_graph(self.metadata, list(map(_port, inputs)), list(map(_port, outputs)), file)
        self.precision = only_precision(self.metadata, precision, file)

    def __call__(self, frames: np.ndarray) -> Sequence[np.ndarray]:
        """Run the graph."""
        with as_input_error(f'ONNX Runtime cannot run on frames of shape {frames.shape}', *self._errors):
            outputs: Sequence[np.ndarray] = self._session.run(None, {FRAMES: frames})
        return outputs


def open_session(model: str | bytes, threads: int | None = None, provider: tuple[str, dict] = (PROVIDERS['cpu'], {})) -> Any:
    """Open an ``onnxruntime.InferenceSession``.

    Args:
        model: File name, or the content of a file.
        threads: Number of CPU threads; ``None`` is ONNX Runtime's choice.
        provider: Execution provider and its options.
    """
    library = require('onnxruntime', 'onnxruntime')
    options = library.SessionOptions()
    options.log_severity_level = 3  # errors only; the warnings are about ONNX Runtime's own choices
    # Exact products of 8 bits on CPUs without VNNI instructions, where two of them saturate in 16 bits. ONNX Runtime then takes
    # slower kernels on every x86 CPU, but only for weights beyond +-64, which files exported today do not have.
    options.add_session_config_entry('session.x64quantprecision', '1')
    if threads is not None:
        options.intra_op_num_threads = threads
    return library.InferenceSession(model, options, providers=[provider])


def _port(value: Any) -> Port:
    dtype = {'tensor(uint8)': 'uint8', 'tensor(float)': 'float32'}.get(value.type, value.type)
    return Port(value.name, dtype, tuple(length if isinstance(length, int) else None for length in value.shape))


def _errors(library: object) -> tuple[type[Exception], ...]:
    """Return the types of ONNX Runtime's errors: some derive from RuntimeError, others from Exception only."""
    state = library.capi.onnxruntime_pybind11_state  # type: ignore[attr-defined]
    return (
        MemoryError,
        RuntimeError,
        UnicodeDecodeError,
        *(error for error in vars(state).values() if isinstance(error, type) and issubclass(error, Exception)),
    )
