"""``.pt2``: PyTorch's exported program."""

from pathlib import Path

import torch

from mmseg_bisenet_lite.deploy.metadata import KEY
from mmseg_bisenet_lite.errors import InputError
from mmseg_bisenet_lite.export.job import Job


def write(job: Job, file: Path) -> list[str]:
    """Write the file; see :func:`mmseg_bisenet_lite.export.formats.onnx_format.write`."""
    if job.metadata.precision == 'int8':
        raise InputError(
            'int8 is for the formats onnx, openvino and tensorrt, whose libraries quantise; torch has fp32, fp16, bf16'
        )
    torch.export.save(job.program(), file, extra_files={f'{KEY}.json': job.metadata.to_json()})
    return []
