"""Quantises to int8 with the libraries' own quantisers, and keeps the layers that lose most in higher precision."""

import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_bisenet_lite.deploy.metadata import FRAMES
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.parity import Overlap, Predictor, mmseg_predictor
from mmseg_bisenet_lite.export.quiet import quiet
from mmseg_bisenet_lite.export.samples import Sample, Samples
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.signal_stack import kept_signal_stack

# Largest loss on the selection frames, in points of mIoU. The parity check, on other frames, allows a little more.
MOST_LOST = 0.3


def quantise_openvino(model: Any, job: Job) -> tuple[Any, list[str]]:
    """Quantise an ``openvino.Model`` with NNCF.

    NNCF returns layers to higher precision, those that cost most first, until the loss is at most ``MOST_LOST``.

    Returns:
        The quantised model, and the names of its convolutions that are not int8.

    Source: https://docs.openvino.ai/2025/openvino-workflow/model-optimization-guide/quantizing-models-post-training.html
    """
    nncf = require('nncf', 'nncf')
    # MINMAX covers the ranges of all calibration frames. NNCF's default, their mean, saturates on frames that differ from them:
    # with a network trained on photographs, up to 4.8 % of the pixels of drawn streets changed, against 1.2 % with MINMAX.
    ranges = require('nncf.quantization.range_estimator', 'nncf').RangeEstimatorParametersSet.MINMAX
    calibration, selection = _frames(job)

    def validate(compiled: Any, samples: Iterable[Sample]) -> tuple[float, None]:
        # NNCF passes single frames to rank the layers, and all frames to measure the loss.
        return _score(lambda frame: compiled(_batch(frame, job))[0][0], samples), None

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
            advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(activations_range_estimator_params=ranges),
            ignored_scope=nncf.IgnoredScope(types=['MatMul'], validate=False),  # up-sampling of the margin
        )
    # The weights of an int8 convolution pass through a Convert; the others are a Constant.
    high_precision_layers = [
        op.get_friendly_name().removesuffix('/WithoutBiases')
        for op in quantised.get_ordered_ops()
        if op.get_type_name() == 'Convolution' and op.input_value(1).get_node().get_type_name() == 'Constant'
    ]
    return quantised, high_precision_layers


def quantise_onnx(model: Any, job: Job, symmetric: bool = False) -> tuple[Any, list[str]]:
    """Quantise an ``onnx.ModelProto`` with ONNX Runtime.

    If the loss is more than ``MOST_LOST``, each convolution alone is kept in float32 once. Then those with the highest gains
    are kept in float32 together, as few as are enough.

    Args:
        model: The model in float32.
        job: The job, with calibration and selection frames.
        symmetric: Quantise feature maps symmetrically around zero, as TensorRT requires.

    Returns:
        The quantised model, and the names of its convolutions that are not int8.

    Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """
    onnx, library = require('onnx', 'onnx'), require('onnxruntime', 'onnxruntime')
    quantisation = require('onnxruntime.quantization', 'onnxruntime')
    calibration, selection = _frames(job)
    convolutions = [node.name for node in model.graph.node if node.op_type == 'Conv']
    upsampling = [node.name for node in model.graph.node if node.op_type == 'MatMul']

    with tempfile.TemporaryDirectory() as folder:
        prepared, written, cache = (Path(folder) / name for name in ('prepared.onnx', 'int8.onnx', 'ranges.json'))
        onnx.save(model, prepared)

        def quantised(spared: list[str]) -> Any:
            quantisation.quantize_static(
                prepared,
                written,
                _reader(quantisation, calibration, job),
                per_channel=True,
                activation_type=quantisation.QuantType.QInt8 if symmetric else quantisation.QuantType.QUInt8,
                weight_type=quantisation.QuantType.QInt8,
                nodes_to_exclude=[*spared, *upsampling],
                # TensorRT quantises biases itself, and needs quantise-dequantise pairs on the weights.
                extra_options=dict(ActivationSymmetric=symmetric, QuantizeBias=not symmetric, AddQDQPairToWeight=symmetric),
                calibration_cache_path=cache,
            )
            return onnx.load(written)

        def score(candidate: Any) -> float:
            options = library.SessionOptions()
            options.log_severity_level = 3
            session = library.InferenceSession(candidate.SerializeToString(), options, providers=['CPUExecutionProvider'])
            return _score(lambda frame: session.run(None, {FRAMES: _batch(frame, job)})[0][0], selection)

        with quiet():
            enough = score(model) - MOST_LOST
            spared = spare(convolutions, lambda layers: score(quantised(layers)), enough)
            result = quantised(spared)
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


def _frames(job: Job) -> tuple[Samples, list[Sample]]:
    """Return calibration and selection frames; a selection frame without ground truth gets the network's mask as its label."""
    if job.calibration is None or job.selection is None:
        raise InputError('int8 needs calibration frames; set calibration and selection of the Job')
    predict = mmseg_predictor(job.segmentor)
    selection = [
        sample if sample.label is not None else Sample(sample.name, sample.frame, predict(sample.frame))
        for sample in job.selection
    ]
    return job.calibration, selection


def _batch(frame: np.ndarray, job: Job) -> np.ndarray:
    return np.repeat(frame[None], job.metadata.batch or 1, axis=0)


def _score(predict: Predictor, samples: Iterable[Sample]) -> float:
    """Return the mIoU in %, against the labels or, for a frame without a label, its own mask."""
    overlap = Overlap()
    for sample in samples:
        mask = predict(sample.frame)
        overlap.add(mask if sample.label is None else sample.label, mask)
    return overlap.miou


def _reader(quantisation: Any, samples: Samples, job: Job) -> Any:
    class Reader(quantisation.CalibrationDataReader):
        def __init__(self) -> None:
            self.frames: Iterator[Sample] = iter(samples)

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self.frames, None)
            return None if sample is None else {FRAMES: _batch(sample.frame, job)}

    return Reader()
