"""Quantises to int8 with the libraries' own quantisers, and keeps the layers that lose most in higher precision."""

import math
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmseg_bisenet_lite.deploy.metadata import FRAMES
from mmseg_bisenet_lite.deploy.runtimes.onnx_runtime import open_session
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.parity import Overlap, Predictor, mmseg_predictor
from mmseg_bisenet_lite.export.quiet import quiet
from mmseg_bisenet_lite.export.samples import Sample, Samples
from mmseg_bisenet_lite.models.decision import BIAS, move_threshold
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.signal_stack import kept_signal_stack

# What the selection frames allow. The parity check, on other frames, allows a little more.
MOST_LOST = 0.3  # points of mIoU, against the labels
MOST_MOVED = 4.0  # points below 100 of the foreground's IoU, of the int8 masks against the network's own
# Frames that measure the shift of the margin; more changed it by less than 0.01.
SHIFT_FRAMES = 24
# NNCF: the most layers to return to higher precision, and the number of frames to rank them by, which it does again whenever a
# layer did not help. Without limits it goes on for hours where all layers together cannot reach the accuracy.
MOST_RESTORED, RANKING_FRAMES = 5, 10


def quantise_openvino(model: Any, job: Job) -> tuple[Any, list[str]]:
    """Quantise an ``openvino.Model`` with NNCF, which also corrects the biases.

    NNCF returns layers to higher precision, those that cost most first, until the selection frames lose no more than is
    allowed, at most ``MOST_RESTORED`` groups of layers. The parity check decides on what is left.

    Returns:
        The quantised model, and the names of its convolutions that are not int8.

    Source: https://docs.openvino.ai/2025/openvino-workflow/model-optimization-guide/quantizing-models-post-training.html
    """
    nncf = require('nncf', 'nncf')
    # MINMAX covers the ranges of all calibration frames. NNCF's default, their mean, saturates on frames that differ from them:
    # with a network trained on photographs, up to 4.8 % of the pixels of drawn streets changed, against 1.2 % with MINMAX.
    ranges = require('nncf.quantization.range_estimator', 'nncf').RangeEstimatorParametersSet.MINMAX
    calibration, selection = _frames(job)

    def validate(compiled: Any, frames: Iterable[Judged]) -> tuple[float, None]:
        # NNCF passes single frames to rank the layers, and all frames to measure the loss.
        return score(lambda frame: compiled(_batch(frame, job))[0][0], frames), None

    with quiet(), kept_signal_stack():
        quantised = nncf.quantize_with_accuracy_control(
            model,
            calibration_dataset=nncf.Dataset([_batch(sample.frame, job) for sample in calibration]),
            validation_dataset=nncf.Dataset(selection),
            validation_fn=validate,
            max_drop=MOST_LOST,
            drop_type=nncf.DropType.ABSOLUTE,
            preset=nncf.QuantizationPreset.MIXED,  # feature maps after a ReLU use all 256 levels
            subset_size=len(calibration),
            advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(
                activations_range_estimator_params=ranges,
                overflow_fix=nncf.OverflowFix.ENABLE,  # weights in 7 bits, as below
            ),
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                max_num_iterations=MOST_RESTORED, ranking_subset_size=RANKING_FRAMES
            ),
            ignored_scope=nncf.IgnoredScope(types=['MatMul'], validate=False),  # up-sampling of the margin, pools
        )
    high_precision_layers = [
        op.get_friendly_name().removesuffix('/WithoutBiases')
        for op in quantised.get_ordered_ops()
        if op.get_type_name() in ('Convolution', 'GroupConvolution') and not _has_int8_weights(op)
    ]
    return quantised, high_precision_layers


def _has_int8_weights(convolution: Any) -> bool:
    """Whether an OpenVINO convolution's weights pass through a ``Convert``; others are a ``Constant``, reshaped with groups."""
    weights = convolution.input_value(1).get_node()
    if weights.get_type_name() == 'Reshape':
        weights = weights.input_value(0).get_node()
    return weights.get_type_name() != 'Constant'


def quantise_onnx(model: Any, job: Job, symmetric: bool = False) -> tuple[Any, list[str]]:
    """Quantise an ``onnx.ModelProto`` with ONNX Runtime.

    Weights take 7 of the 8 bits. CPUs without VNNI instructions add two products of 8 bits in 16 bits, which saturates with
    weights of 8 bits: the masks would depend on the CPU. 7 bits cannot saturate, in any program that runs the file.

    Quantisation shifts the margin on average, which moves every edge; ONNX Runtime's quantiser does not correct it. The shift
    on the calibration frames is folded into the last layer's bias.

    If the selection frames lose more than is allowed, each convolution alone is kept in float32 once. Then those with the
    highest gains are kept in float32 together, as few as are enough.

    Args:
        model: The model in float32.
        job: The job, with calibration and selection frames.
        symmetric: Quantise feature maps symmetrically around zero, as TensorRT requires.

    Returns:
        The quantised model, and the names of its convolutions that are not int8.

    Raises:
        InputError: The margin is not finite, or no convolution can be int8.

    Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """
    onnx = require('onnx', 'onnx')
    quantisation = require('onnxruntime.quantization', 'onnxruntime')
    calibration, selection = _frames(job)
    convolutions = [node.name for node in model.graph.node if node.op_type == 'Conv']
    products = [node.name for node in model.graph.node if node.op_type == 'MatMul']  # up-sampling of the margin, pools

    with tempfile.TemporaryDirectory() as folder:
        prepared, written, cache = (Path(folder) / name for name in ('prepared.onnx', 'int8.onnx', 'ranges.json'))

        def quantised(spared: list[str], shift: float = 0.0) -> Any:
            onnx.save(_shifted(onnx, model, shift), prepared)
            quantisation.quantize_static(
                prepared,
                written,
                _reader(quantisation, calibration, job),
                per_channel=True,
                reduce_range=not symmetric,  # GPUs add in 32 bits
                activation_type=quantisation.QuantType.QInt8 if symmetric else quantisation.QuantType.QUInt8,
                weight_type=quantisation.QuantType.QInt8,
                nodes_to_exclude=[*spared, *products],
                # TensorRT quantises biases itself, and needs quantise-dequantise pairs on the weights.
                extra_options=dict(ActivationSymmetric=symmetric, QuantizeBias=not symmetric, AddQDQPairToWeight=symmetric),
                calibration_cache_path=cache,
            )
            return onnx.load(written)

        measured = calibration[:SHIFT_FRAMES]

        def shift_of(margin: Predictor) -> float:
            return float(np.mean([margin(sample.frame).mean() for sample in measured])) - expected

        def judged(spared: list[str]) -> float:
            margin = _margin(onnx, quantised(spared), job)
            shift = shift_of(margin)
            return score(lambda frame: (margin(frame) > shift).astype(np.uint8), selection)

        with quiet():
            own, expected = _margin(onnx, model, job), 0.0
            expected = shift_of(own)
            if not np.isfinite(expected):
                raise InputError('the network gives a margin that is NaN or infinite; export weights that are finite')
            enough = score(lambda frame: (own(frame) > 0).astype(np.uint8), selection) - MOST_LOST
            spared = spare(convolutions, judged, enough)
            if len(spared) == len(convolutions):  # a file of it would be slower than one in float32
                other = 'fp16' if symmetric else 'fp32, or int8 for OpenVINO'
                raise InputError(f'int8: the masks move too far even with a single convolution in 8 bits; export {other}')
            result = quantised(spared, shift_of(_margin(onnx, quantised(spared), job)))
    onnx.helper.set_model_props(result, {entry.key: entry.value for entry in model.metadata_props})
    return result, spared


def spare(layers: list[str], score: Callable[[list[str]], float], enough: float) -> list[str]:
    """Choose the layers to keep in higher precision: none, or as few as are enough of those with the highest gains.

    Args:
        layers: Names of all layers.
        score: Score of the model with the given layers in higher precision; higher is better. A layer's gain is the score with
            that layer alone in higher precision.
        enough: Score to reach.

    Returns:
        The names of the layers; all names if no fewer reach the score.
    """
    if score([]) >= enough:
        return []
    gains = {layer: score([layer]) for layer in layers}
    order = sorted(layers, key=lambda layer: -gains[layer])
    fewest = 1 + bisect_left(range(1, len(order)), True, key=lambda count: score(order[:count]) >= enough)
    return order[:fewest]


@dataclass(frozen=True)
class Judged:
    """A selection frame.

    Attributes:
        sample: The frame and its label, if it has one.
        mask: The network's own mask in float32, (height, width), uint8.
    """

    sample: Sample
    mask: np.ndarray


def score(predict: Predictor, frames: Iterable[Judged]) -> float:
    """Return the mIoU in %, pooled over the frames, or less where the foreground has moved too far from the network's own.

    The mIoU alone does not see small foreground that moves. A score that is ``MOST_LOST`` below the network's own mIoU means
    that this much mIoU is lost, or that the foreground's IoU with the network's own masks is ``MOST_MOVED`` below 100. Without
    labels the network's own masks are the only truth, and only the second counts.

    Args:
        predict: Function from a frame to the mask to score.
        frames: The frames.
    """
    reference, found, moved = Overlap(), Overlap(), Overlap()
    for frame in frames:
        mask = predict(frame.sample.frame)
        moved.add(frame.mask, mask)
        if frame.sample.label is not None:
            reference.add(frame.sample.label, frame.mask)
            found.add(frame.sample.label, mask)
    kept = moved.iou[1]
    own = 100.0 if math.isnan(reference.miou) else reference.miou
    drops = own - found.miou, (100 - kept) * MOST_LOST / MOST_MOVED  # each NaN if there is nothing to compare
    return own - max((drop for drop in drops if not math.isnan(drop)), default=0.0)


def _frames(job: Job) -> tuple[Samples, list[Judged]]:
    """Return calibration and selection frames."""
    if not job.calibration or not job.selection:
        raise InputError('int8 needs calibration frames; set calibration and selection of the Job')
    predict = mmseg_predictor(job.segmentor)
    return job.calibration, [Judged(sample, predict(sample.frame)) for sample in job.selection]


def _batch(frame: np.ndarray, job: Job) -> np.ndarray:
    return np.repeat(frame[None], job.metadata.batch or 1, axis=0)


def _shifted(onnx: Any, model: Any, shift: float) -> Any:
    """Return a copy of the model in float32 whose margin is lower by ``shift``."""
    copy = type(model)()
    copy.CopyFrom(model)
    bias = next(value for value in copy.graph.initializer if value.name == f'segmentor.{BIAS}')
    weights = torch.from_numpy(onnx.numpy_helper.to_array(bias).copy())
    move_threshold({BIAS: weights}, shift)
    bias.CopyFrom(onnx.numpy_helper.from_array(weights.numpy(), bias.name))
    return copy


def _margin(onnx: Any, model: Any, job: Job) -> Predictor:
    """Return a function from a frame to the margin, (height, width), that a model compares with 0, run in ONNX Runtime."""
    copy = type(model)()
    copy.CopyFrom(model)
    name = [node for node in model.graph.node if node.op_type == 'Greater'][-1].input[0]  # the decision
    if name not in {output.name for output in model.graph.output}:
        copy.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = open_session(copy.SerializeToString())
    return lambda frame: session.run([name], {FRAMES: _batch(frame, job)})[0][0]


def _reader(quantisation: Any, samples: Samples, job: Job) -> Any:
    class Reader(quantisation.CalibrationDataReader):
        def __init__(self) -> None:
            self.frames: Iterator[Sample] = iter(samples)

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self.frames, None)
            return None if sample is None else {FRAMES: _batch(sample.frame, job)}

    return Reader()
