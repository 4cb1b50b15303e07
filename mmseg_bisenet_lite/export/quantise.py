"""INT8: the libraries' own quantisers, and which layers are spared, found out by measuring."""

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

# Points of mIoU that the frames of the selection may lose. The gate, on other frames, allows a little more.
MOST_LOST = 0.3


def quantise_openvino(model: Any, job: Job) -> tuple[Any, list[str]]:
    """Quantise an ``openvino.Model`` by NNCF.

    NNCF itself takes layers back to higher precision, in the order of what they cost, until no more than ``MOST_LOST`` is lost.

    Returns:
        The quantised model, and the names of the convolutions that are not in it as int8.

    Source: https://docs.openvino.ai/2025/openvino-workflow/model-optimization-guide/quantizing-models-post-training.html
    """
    nncf = require('nncf', 'nncf')
    # The ranges hold every calibration frame. NNCF's default, their mean, saturates on frames unlike those: of drawn streets a
    # network trained on photographs then decided up to 4.8 % of the pixels otherwise, against 1.2 %.
    ranges = require('nncf.quantization.range_estimator', 'nncf').RangeEstimatorParametersSet.MINMAX
    calibration, selection = _frames(job)

    def validate(compiled: Any, samples: Iterable[Sample]) -> tuple[float, None]:
        # NNCF asks for one frame at a time when it ranks the layers, and for all to see whether it is enough.
        return _score(lambda frame: compiled(_batch(frame, job))[0][0], samples), None

    with quiet(), kept_signal_stack():
        quantised = nncf.quantize_with_accuracy_control(
            model,
            calibration_dataset=nncf.Dataset([_batch(sample.frame, job) for sample in calibration]),
            validation_dataset=nncf.Dataset(selection),
            validation_fn=validate,
            max_drop=MOST_LOST,
            drop_type=nncf.DropType.ABSOLUTE,
            preset=nncf.QuantizationPreset.MIXED,  # maps after a ReLU use all 256 levels
            subset_size=len(calibration),
            advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(activations_range_estimator_params=ranges),
            ignored_scope=nncf.IgnoredScope(types=['MatMul'], validate=False),  # the up-sampling of the margin
        )
    # The weights of a convolution that is int8 come through a conversion, those of one that is not are a constant.
    high_precision_layers = [
        op.get_friendly_name().removesuffix('/WithoutBiases')
        for op in quantised.get_ordered_ops()
        if op.get_type_name() == 'Convolution' and op.input_value(1).get_node().get_type_name() == 'Constant'
    ]
    return quantised, high_precision_layers


def quantise_onnx(model: Any, job: Job, symmetric: bool = False) -> tuple[Any, list[str]]:
    """Quantise an ``onnx.ModelProto`` by ONNX Runtime.

    If more than ``MOST_LOST`` is lost, each convolution is spared once; then those that gained most are spared together, as few
    of them as are enough.

    Args:
        model: The model in float32.
        job: With frames for calibration and selection.
        symmetric: Zero stays in the middle of the maps' levels, as TensorRT needs it.

    Returns:
        The quantised model, and the names of the convolutions that are not in it as int8.

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
                # TensorRT quantises biases itself, and takes pairs around the weights.
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
    """Which layers to spare so that the score is enough: none, or those that gain most when they alone are spared.

    Args:
        layers: All of them.
        score: Of a model in which some are spared; higher is better.
        enough: Where to stop.

    Returns:
        The layers; all of them if nothing less is enough.
    """
    if score([]) >= enough:
        return []
    gains = {layer: score([layer]) for layer in layers}
    order = sorted(layers, key=lambda layer: -gains[layer])
    fewest = 1 + bisect_left(range(1, len(order)), True, key=lambda count: score(order[:count]) >= enough)
    return order[:fewest]


def _frames(job: Job) -> tuple[Samples, list[Sample]]:
    """Those to calibrate on, and those to select by, each of these with a label: the network's own where there is no other."""
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
    """mIoU, in %."""
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
