"""Writes ``.onnx`` files for ONNX Runtime; OpenVINO and TensorRT convert the same model."""

from pathlib import Path
from typing import Any

import torch

from mmseg_bisenet_lite.deploy.metadata import FRAMES, KEY, MARGIN, MASK
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.quantise import quantise_onnx
from mmseg_bisenet_lite.export.quiet import quiet
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require

# The first opset with today's semantics of Resize and Pad, and the first with convolutions in bfloat16.
OPSET, OPSET_BF16 = 18, 22
INSTALL = 'onnx onnxscript onnxruntime'


def write(job: Job, file: Path) -> list[str]:
    """Write an ``.onnx`` file.

    Args:
        job: The inputs for the file.
        file: Output file; its folder must exist.

    Returns:
        The layers of an int8 file that are kept in higher precision.

    Raises:
        InputError: A library is missing, or the precision is bf16.
    """
    if job.metadata.precision == 'bf16':
        raise InputError('--precision bf16: ONNX Runtime cannot run this network in bf16; use --format openvino or tensorrt')
    model = build(job)
    high_precision_layers: list[str] = []
    if job.metadata.precision == 'int8':
        model, high_precision_layers = quantise_onnx(model, job)
    require('onnx', INSTALL).save(model, file)
    return high_precision_layers


def build(job: Job) -> Any:
    """Return the model before quantisation with its metadata, as an ``onnx.ModelProto``."""
    onnx = require('onnx', INSTALL)
    require('onnxscript', INSTALL)
    outputs = [MASK, MARGIN] if job.metadata.margin else [MASK]
    with quiet():
        exported: Any = torch.onnx.export(
            job.program(),
            dynamo=True,
            input_names=[FRAMES],
            output_names=outputs,
            opset_version=OPSET_BF16 if job.metadata.precision == 'bf16' else OPSET,
            optimize=True,
            verbose=False,
        )
    model = exported.model_proto
    _tidy(model)
    onnx.helper.set_model_props(model, {KEY: job.metadata.to_json()})
    onnx.checker.check_model(model)
    return model


def _tidy(model: Any) -> None:
    """Name convolutions after their weights and dynamic axes after their meaning, and drop the exporter's own metadata."""
    weights = {initializer.name for initializer in model.graph.initializer}
    for node in model.graph.node:
        del node.metadata_props[:]
        if node.op_type == 'Conv' and node.input[1] in weights:
            node.name = node.input[1].removeprefix('segmentor.').removesuffix('.weight')
    free = {
        dim.dim_param: name
        for dim, name in zip(model.graph.input[0].type.tensor_type.shape.dim, ('batch', 'height', 'width', ''), strict=True)
        if dim.dim_param
    }
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        del value.metadata_props[:]
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in free:
                dim.dim_param = free[dim.dim_param]
