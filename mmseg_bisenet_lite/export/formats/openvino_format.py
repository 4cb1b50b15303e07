"""``.xml`` and ``.bin``: OpenVINO."""

import io
from pathlib import Path

from mmseg_bisenet_lite.deploy.library import need
from mmseg_bisenet_lite.deploy.metadata import KEY
from mmseg_bisenet_lite.export.formats.onnx_format import build
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.quantise import quantise_openvino


def write(job: Job, file: Path) -> list[str]:
    """Write both files; see :func:`mmseg_bisenet_lite.export.formats.onnx_format.write`.

    The weights are float32, or float16 for fp16. Which precision to compute in is for the device to be told, so bf16 is only
    a word in the metadata, which the Segmenter passes on.
    """
    openvino = need('openvino', 'openvino')
    model = openvino.Core().read_model(io.BytesIO(build(job).SerializeToString()))
    kept: list[str] = []
    if job.metadata.precision == 'int8':
        model, kept = quantise_openvino(model, job)
    model.set_rt_info(job.metadata.to_json(), KEY)
    openvino.save_model(model, file, compress_to_fp16=job.metadata.precision == 'fp16')
    return kept
