"""Writes ``.engine`` files of TensorRT, for the GPU on which they are built."""

from pathlib import Path

from mmseg_bisenet_lite.deploy.metadata import FRAMES
from mmseg_bisenet_lite.export.formats.onnx_format import build
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.quantise import quantise_onnx
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error, first_line
from mmseg_bisenet_lite.utils.library import require

# Values of the dynamic axes batch, height and width: the smallest, the one to optimise for, and the largest.
FREE = ((1, 4, 16), (64, 480, 2160), (64, 640, 3840))

# Bytes of the network's name, without the zero at its end; see setName in TensorRT's NvInfer.h.
MOST_NAME = 4095


def write(job: Job, file: Path) -> list[str]:
    """Build the engine; see :func:`mmseg_bisenet_lite.export.formats.onnx_format.write`.

    The network is strongly typed: the types and the quantisation in the ONNX model set the precision of each layer.

    Source: https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/advanced.html#strongly-typed-networks
    """
    tensorrt = require('tensorrt', 'tensorrt')
    logger = tensorrt.Logger(tensorrt.Logger.ERROR)
    no_gpu = '--format tensorrt: TensorRT finds no NVIDIA GPU; export the engine on the machine that will run it'
    with as_input_error(no_gpu, RuntimeError, TypeError):
        builder = tensorrt.Builder(logger)
    model = build(job)
    high_precision_layers: list[str] = []
    if job.metadata.precision == 'int8':
        model, high_precision_layers = quantise_onnx(model, job, symmetric=True)
    network = builder.create_network(1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(model.SerializeToString()):
        reason = first_line(RuntimeError(parser.get_error(0).desc()))
        raise InputError(
            f'--format tensorrt: TensorRT {tensorrt.__version__} cannot read the network ({reason}); try another version of it'
        )
    network.name = job.metadata.to_json()
    if len(network.name.encode()) > MOST_NAME:
        raise InputError(
            f'--format tensorrt: the metadata have {len(network.name.encode())} bytes, but the name of an engine, where they '
            f'are kept, has room for {MOST_NAME}; use shorter names of classes'
        )
    config = builder.create_builder_config()
    config.clear_flag(tensorrt.BuilderFlag.TF32)  # fp32 means fp32
    size, batch = job.metadata.size, job.metadata.batch
    if size is None or batch is None:
        profile = builder.create_optimization_profile()
        shapes = [
            (batch or n, *((size[1], size[0]) if size else (height, width)), 3) for n, height, width in zip(*FREE, strict=True)
        ]
        profile.set_shape(FRAMES, *shapes)
        config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise InputError('--format tensorrt: TensorRT cannot build the engine; see its messages above')
    file.write_bytes(engine)
    return high_precision_layers
