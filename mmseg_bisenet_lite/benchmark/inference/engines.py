"""Engines that run a model: PyTorch in several modes, MMSegmentation's own function, or an exported file's runtime."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmseg.apis import inference_model
from mmseg.models import BaseSegmentor
from mmseg.registry import TRANSFORMS

from mmseg_bisenet_lite.benchmark.inference.models import Model
from mmseg_bisenet_lite.benchmark.measure import Call
from mmseg_bisenet_lite.deploy import Metadata, Segmenter
from mmseg_bisenet_lite.export.formats import FORMATS, write
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.pretrained import sha256_of
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.registry import class_of
from mmseg_bisenet_lite.utils.sizes import size_text
from mmseg_bisenet_lite.version import __version__


@dataclass(frozen=True)
class Engine:
    """A mode of running a model in PyTorch.

    Attributes:
        channels_last: Use the channels-last memory format.
        compile: Compile the model with ``torch.compile`` for each size, with frozen weights.
    """

    channels_last: bool = False
    compile: bool = False

    @property
    def memory_format(self) -> torch.memory_format:
        """Memory format of the image and the weights."""
        return torch.channels_last if self.channels_last else torch.contiguous_format


ENGINES = {
    'eager': Engine(),
    'channels-last': Engine(channels_last=True),
    'compile': Engine(compile=True),
    'compile-channels-last': Engine(channels_last=True, compile=True),
}


@dataclass(frozen=True)
class Runtime:
    """A runtime for which a model is exported while the benchmark runs, in the scope ``'frame'``.

    Attributes:
        format: Key of the export's ``FORMATS``.
        precisions: Keys of ``PRECISIONS`` that it has on CPUs.
        libraries: What has to be installed.
    """

    format: str
    precisions: Sequence[str]
    libraries: Sequence[str]


RUNTIMES = {
    'onnxruntime': Runtime('onnx', ('fp32',), ('onnx', 'onnxscript', 'onnxruntime')),
    'openvino': Runtime('openvino', ('fp32', 'bf16'), ('onnx', 'onnxscript', 'openvino')),
}

# MMSegmentation's function inference_model, from a frame to a data sample; only in float32 and in the scope 'frame'.
INFERENCE_MODEL = 'inference-model'


def precisions_of(engine: str) -> Sequence[str]:
    """Return the precisions of an engine that takes frames, one of ``RUNTIMES`` or ``INFERENCE_MODEL``."""
    return ('fp32',) if engine == INFERENCE_MODEL else RUNTIMES[engine].precisions


def in_runtime(engine: str, segmentor: BaseSegmentor, size: tuple[int, int], batch: int, precision: str) -> Segmenter:
    """Export a network as ``tools/export.py`` does, but for its check, and load it with as many CPU threads as PyTorch uses.

    Args:
        engine: Key of ``RUNTIMES``.
        segmentor: The network, with any weights.
        size: (width, height) of the frames in pixels.
        batch: Number of frames in one call.
        precision: One of the runtime's precisions.

    Raises:
        InputError: The runtime is not installed, or cannot run the network.
    """
    metadata = Metadata(
        classes=('background', 'foreground'),
        palette=((0, 0, 0), (255, 255, 255)),
        size=size,
        batch=batch,
        precision=precision,
        margin=False,
        config='benchmark',
        commit=None,
        weights_sha256='0' * 64,
        version=__version__,
    )
    with tempfile.TemporaryDirectory() as folder:
        name = RUNTIMES[engine].format
        file = Path(folder) / f'benchmark{FORMATS[name]}'
        write(name, Job(segmentor, metadata), file)
        return Segmenter(file, threads=torch.get_num_threads())


@dataclass(frozen=True)
class Exported:
    """A file of ``tools/export.py``.

    Attributes:
        file: The file.
        model: The model that it was exported from.
        metadata: Metadata in the file.
    """

    file: Path
    model: Model
    metadata: Metadata

    def takes(self, size: tuple[int, int]) -> bool:
        """Whether the file takes frames of this size, (width, height) in pixels."""
        return self.metadata.size in (None, size)

    def load(self, device: torch.device) -> Segmenter:
        """Load the file, with as many CPU threads as PyTorch uses."""
        threads = torch.get_num_threads() if device.type == 'cpu' and self.file.suffix.lower() != '.engine' else None
        return Segmenter(self.file, str(device), threads=threads)


def find_exported(
    files: Sequence[str], models: Sequence[Model], sizes: Sequence[tuple[int, int]], device: torch.device
) -> list[Exported]:
    """Find the model that each file was exported from.

    Args:
        files: Exported files.
        models: The models; the checkpoint of one has the weights of the file.
        sizes: Sizes to time, (width, height) in pixels.
        device: Device to run the files on.

    Raises:
        InputError: A file cannot be loaded, has other weights than the checkpoints, or takes none of the sizes.
    """
    digests = {model.checkpoint: model for model in reversed(models) if model.checkpoint}
    by_weights = {sha256_of(checkpoint): model for checkpoint, model in digests.items()}
    matched = []
    for file in map(Path, files):
        metadata = Segmenter(file, str(device)).metadata
        if metadata.weights_sha256 not in by_weights:
            raise InputError(
                f'--exported {file}: no --checkpoint has its weights; give {metadata.config} and the --checkpoint it came from'
            )
        exported = Exported(file, by_weights[metadata.weights_sha256], metadata)
        if metadata.size is not None and metadata.size not in sizes:
            size = size_text(metadata.size)
            raise InputError(f'--exported {file}: it takes only frames of {size}; add {size} to --sizes')
        matched.append(exported)
    return matched


def inference_model_call(segmentor: BaseSegmentor, frames: np.ndarray) -> Call:
    """Return a call of MMSegmentation's ``inference_model`` from frames, (N, height, width, 3), to masks in host memory.

    Steps of the test pipeline that resize are left out, so that the network sees the size of the frames; ``segmentor.cfg`` is
    changed.
    """
    images = list(frames)
    cfg: Any = segmentor.cfg
    cfg.test_pipeline = [step for step in cfg.test_pipeline if not _resizes(step)]

    def call() -> np.ndarray:
        return np.stack([sample.pred_sem_seg.data[0].cpu().numpy() for sample in inference_model(segmentor, images)])

    return call


def _resizes(step: Mapping[str, Any]) -> bool:
    return getattr(class_of(TRANSFORMS, step['type']), '__name__', '').startswith('Resize')
