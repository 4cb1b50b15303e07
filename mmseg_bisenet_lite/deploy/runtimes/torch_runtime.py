"""PyTorch, for weights of the package and other checkpoints: they run without an exported file if the host is installed."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.models.decision import DecisionRecord, chosen_threshold
from mmseg_bisenet_lite.models.frame_to_mask import FrameToMask
from mmseg_bisenet_lite.pretrained.loading import dataset_meta_of, load_segmentor, pretrained_config, read_config
from mmseg_bisenet_lite.pretrained.names import sha256_of, with_scheme
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.precision import PRECISIONS, has_arithmetic
from mmseg_bisenet_lite.version import __version__

# Id of the process in which a :class:`TorchRuntime` has computed first.
_process: int | None = None


class TorchRuntime:
    """Weights, run by PyTorch in this process; see :class:`~mmseg_bisenet_lite.deploy.runtimes.Runtime`.

    Args:
        name: Name of weights of the package, with or without ``bisenet-lite://``; with ``config`` a checkpoint.
        device: PyTorch device: ``'cpu'`` (default), ``'cuda'``, ``'cuda:1'``, ...
        threads: Number of CPU threads, for everything that PyTorch does in the process; ``None`` is PyTorch's choice.
        precision: ``'fp32'`` (default), ``'bf16'`` or ``'fp16'``, if the device has arithmetic for it.
        size: (width, height) of the frames; ``None`` is any size.
        threshold: Threshold of the margin: ``None`` is 0; or as for :class:`~mmseg_bisenet_lite.deploy.Segmenter`.
        config: Config of the checkpoint; ``None`` is the one that the weights of the package were trained with.

    Raises:
        InputError: There are no such weights, or they are not for two classes, or the device does not support an argument; or
            this process was forked from one in which PyTorch has computed.
    """

    name = 'pytorch'

    def __init__(
        self,
        name: str,
        device: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        size: tuple[int, int] | None = None,
        threshold: str | float | None = None,
        config: str | None = None,
    ) -> None:
        _refuse_in_a_fork()
        checkpoint = with_scheme(name) if config is None else name
        model_config = pretrained_config(name) if config is None else read_config(config)
        loaded = CheckpointLoader.load_checkpoint(checkpoint, 'cpu', logger='silent')
        dataset_meta = dataset_meta_of(loaded, checkpoint, model_config)
        with as_input_error(f'device={device!r}', RuntimeError, AssertionError):
            self._device = torch.device((device or 'cpu').lower())
            torch.empty(0, device=self._device)
        self.precision = precision or 'fp32'
        if self.precision not in ('fp32', 'bf16', 'fp16') or not has_arithmetic(self._device, self.precision):
            raise InputError(
                f'precision={precision!r}: choose fp32, or bf16 or fp16 where {self._device} has arithmetic for it'
            )
        if threads is not None:
            torch.set_num_threads(threads)
        value = 0.0 if threshold is None else chosen_threshold(threshold, loaded, name)
        self.metadata = Metadata(
            classes=tuple(dataset_meta['classes']),
            palette=tuple(tuple(colour) for colour in dataset_meta['palette']),
            size=size,
            batch=None,
            precision=self.precision,
            margin=True,
            config=Path(model_config.filename).name,
            commit=None,
            weights_sha256=sha256_of(checkpoint),
            version=__version__,
            threshold=value,
            **vars(DecisionRecord.of(loaded, name)),
        )
        segmentor = load_segmentor(config or checkpoint, model_config, checkpoint, value)
        module: torch.nn.Module = FrameToMask(segmentor, PRECISIONS[self.precision].dtype, margin=True, size=size)
        # Frames have their channels last already, so nothing has to be rearranged.
        self._module = module.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, frames: np.ndarray) -> Sequence[np.ndarray]:
        """Run the network."""
        _refuse_in_a_fork()
        with torch.inference_mode():
            # PyTorch does not accept a read-only array.
            writable = frames if frames.flags.writeable else frames.copy()
            return [output.cpu().numpy() for output in self._module(torch.from_numpy(writable).to(self._device))]


def _refuse_in_a_fork() -> None:
    """Raise an error where PyTorch would hang: it would wait for the threads of the process that this one was forked from."""
    global _process
    if _process is None:
        _process = os.getpid()
    elif _process != os.getpid():
        raise InputError(
            'PyTorch has computed in the process that this one was forked from, so it would hang here: start this process with '
            "multiprocessing.get_context('spawn'), make the Segmenter only after the fork, or give a file of tools/export.py"
        )
