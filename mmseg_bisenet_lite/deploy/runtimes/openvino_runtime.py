"""OpenVINO."""

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_bisenet_lite.deploy.digest import check_sealed, read_sealed
from mmseg_bisenet_lite.deploy.metadata import FRAMES, KEY, Metadata
from mmseg_bisenet_lite.deploy.runtimes.graph import Port, check_graph
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.sizes import size_text

# Height and width of the smallest frame for a file of any size. On smaller ones the last pooling of the lite context path has
# nothing to pool: OpenVINO then gives the outputs of the frame before, or keeps the error for every later frame.
LEAST = 17

# Our name of a precision -> OpenVINO's name, and the capability that a device must list.
PRECISIONS = {'fp32': ('f32', 'FP32'), 'fp16': ('f16', 'FP16'), 'bf16': ('bf16', 'BF16')}


@functools.cache
def the_core() -> Any:
    """Return the process's only OpenVINO ``Core``; see :mod:`~mmseg_bisenet_lite.utils.signal_stack` for the reason."""
    return require('openvino', 'openvino').Core()


class OpenvinoRuntime:
    """An ``.xml`` file and its ``.bin`` in OpenVINO; see :class:`~mmseg_bisenet_lite.deploy.runtimes.Runtime`."""

    name = 'openvino'

    def __init__(self, file: Path, device: str | None, threads: int | None, precision: str | None) -> None:
        core = the_core()
        if not file.with_suffix('.bin').is_file():
            raise InputError(f'{file}: its weights are missing; put {file.with_suffix(".bin").name} into the same folder')
        device = device.upper() if device else 'CPU'
        if device not in core.available_devices and f'{device}.0' not in core.available_devices:
            raise InputError(
                f'device={device!r}: OpenVINO finds no such device; choose from {", ".join(core.available_devices)}'
            )
        _, sealed = read_sealed(file)
        with as_input_error(f'{file}: OpenVINO cannot read it', MemoryError, RuntimeError, TypeError, UnicodeDecodeError):
            model = core.read_model(file)
            text = model.get_rt_info(KEY).astype(str) if model.has_rt_info(KEY) else None
            inputs, outputs = list(map(_port, model.inputs)), list(map(_port, model.outputs))
        self.metadata = Metadata.from_json(text, file)
        check_sealed(sealed, self.metadata, file)
        check_graph(self.metadata, inputs, outputs, file)

        capabilities = core.get_property(device, 'OPTIMIZATION_CAPABILITIES')
        # Always set the precision: by default OpenVINO computes in a lower one than the file's if that is faster.
        own = self.metadata.precision
        # Layers that are not int8 run in the precision in which they were compared with MMSegmentation, or in fp32.
        rest = self.metadata.rest if self.metadata.rest and PRECISIONS[self.metadata.rest][1] in capabilities else 'fp32'
        wanted = precision or (rest if own == 'int8' else own)
        if wanted not in PRECISIONS:
            raise InputError(
                f'precision={precision!r}: choose from {", ".join(PRECISIONS)} for OpenVINO; int8 needs a file exported as int8'
            )
        hint, capability = PRECISIONS[wanted]
        if capability not in capabilities:
            has = ', '.join(name for name, (_, listed) in PRECISIONS.items() if listed in capabilities)
            name = core.get_property(device, 'FULL_DEVICE_NAME')
            raise InputError(f'{file}: {name} ({device}) has no {wanted} arithmetic; set precision to one of {has}')
        self.precision = f'int8, {wanted}' if own == 'int8' else wanted
        options = {'INFERENCE_PRECISION_HINT': hint, 'PERFORMANCE_HINT': 'LATENCY'}
        if threads is not None:
            if device != 'CPU':
                raise InputError(f'threads={threads}: works on the CPU only, not on {device}; remove it')
            options['INFERENCE_NUM_THREADS'] = str(threads)
        self._compile = functools.partial(core.compile_model, model, device, options)
        self._lock = threading.Lock()
        with as_input_error(f'{file}: OpenVINO cannot compile it for {device}', RuntimeError):
            self._compiled = self._compile()
        self._request = self._compiled.create_infer_request()

    def __call__(self, frames: np.ndarray) -> Sequence[np.ndarray]:
        """Run the graph. It runs one batch at a time, on all of the device, so several threads share one request."""
        height, width = frames.shape[1:3]
        if self.metadata.size is None and min(height, width) < LEAST:
            raise InputError(
                f'a frame of {size_text((width, height))} is too small: OpenVINO takes frames from {LEAST}x{LEAST} pixels on'
            )
        with self._lock:
            if self._request is None:
                self._compiled = self._compile()
                self._request = self._compiled.create_infer_request()
            request, self._request = self._request, None
            results = request.infer({FRAMES: frames}, share_inputs=True)
            outputs = [results[i] for i in range(len(self._compiled.outputs))]
            if any(output.shape != frames.shape[:3] for output in outputs):
                raise RuntimeError('OpenVINO gave the outputs of another frame')
            self._request = request  # after an error neither the request nor the compiled model can be used again
        return outputs


def _port(value: Any) -> Port:
    dtype = {'u8': 'uint8', 'f32': 'float32'}.get(value.element_type.get_type_name(), value.element_type.get_type_name())
    rank = value.partial_shape.rank
    lengths = [] if rank.is_dynamic else [None if each.is_dynamic else each.get_length() for each in value.partial_shape]
    return Port(min(value.names, default=''), dtype, tuple(lengths))
