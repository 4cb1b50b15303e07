"""Writes ``.xml`` and ``.bin`` files for OpenVINO."""

import io
from dataclasses import replace
from pathlib import Path

from mmseg_bisenet_lite.deploy.metadata import KEY
from mmseg_bisenet_lite.deploy.runtimes.openvino_runtime import the_core
from mmseg_bisenet_lite.export.formats.onnx_format import build
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.quantise import quantise_openvino
from mmseg_bisenet_lite.utils.errors import as_input_error
from mmseg_bisenet_lite.utils.library import require


def write(job: Job, file: Path) -> list[str]:
    """Write both files; see :func:`mmseg_bisenet_lite.export.formats.onnx_format.write`.

    The weights are float32, or float16 for fp16. OpenVINO takes the precision of the arithmetic as an option of the device, so
    bf16 is only an entry of the metadata, which the Segmenter passes on.
    """
    openvino = require('openvino', 'openvino')
    core = the_core()
    content = build(job).SerializeToString()
    message = f'{file.name}: OpenVINO cannot read this network in {job.metadata.precision}'
    with as_input_error(message, RuntimeError):
        model = core.read_model(io.BytesIO(content))
    high_precision_layers: list[str] = []
    metadata = job.metadata
    if metadata.precision == 'int8':
        model, high_precision_layers = quantise_openvino(model, job)
        has_bf16 = 'BF16' in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
        metadata = replace(metadata, rest='bf16' if has_bf16 else 'fp32')
    model.set_rt_info(metadata.to_json(), KEY)
    with as_input_error(f'{file.name}: OpenVINO cannot write it; is the disk of --out full?', RuntimeError):
        openvino.save_model(model, file, compress_to_fp16=metadata.precision == 'fp16')
    return high_precision_layers
