"""Segmenter: from frames to masks, with an exported file or weights that come with the package."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.deploy.latency import Latency
from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.deploy.runtimes import Runtime, load_pretrained, load_runtime
from mmseg_bisenet_lite.pretrained.names import SCHEME
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.sizes import size_text


class Segmenter:
    """A file that ``tools/export.py`` wrote, ready to be called with camera frames.

    Args:
        file: ``.onnx`` (ONNX Runtime), ``.xml`` with its ``.bin`` (OpenVINO) or ``.engine`` (TensorRT);
            or ``bisenet-lite://NAME``, see :meth:`from_pretrained`.
        device: Runtime device: ``'cpu'`` or ``'cuda:0'``; ``'CPU'``, ``'GPU'`` or ``'NPU'`` for OpenVINO. The default is the
            CPU, for TensorRT the first GPU.
        threads: Number of CPU threads; ``None`` is the runtime's choice.
        precision: Precision to compute in, if the runtime can choose (OpenVINO): ``'fp32'``, ``'fp16'`` or ``'bf16'``. The
            default is the file's precision. The layers of an ``int8`` file that are not int8 run in the precision of the
            export, or in ``fp32`` if the device lacks it.
        resize: Whether to resize frames that do not have the file's size (bilinear) and to resize their masks back (nearest);
            otherwise such a frame is an error. Margins are resized back bilinearly, so their signs may differ from the mask at
            edges.

    Attributes:
        metadata: Metadata of the file.
        latency: Durations of the calls.

    Raises:
        InputError: The file is missing or was not written by ``tools/export.py``, the runtime is not installed, or the runtime
            does not support an argument.

    Example:
        >>> segmenter = Segmenter('lite_hinge_vehicle-640x360-fp32.onnx')
        >>> mask = segmenter(frame)  # (360, 640, 3) uint8 BGR to (360, 640) uint8
    """

    def __init__(
        self,
        file: str | Path,
        device: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        resize: bool = False,
    ) -> None:
        if str(file).startswith(SCHEME):
            runtime = load_pretrained(str(file), device, threads, precision)
        else:
            runtime = load_runtime(Path(file), device, threads, precision)
        self._start(runtime, resize)

    @classmethod
    def from_pretrained(
        cls,
        name: str,
        size: tuple[int, int] | None = None,
        device: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        threshold: str | float | None = None,
        resize: bool = False,
    ) -> 'Segmenter':
        """Run weights that come with the package, such as ``'lite_hinge_vehicle_camvid'``, with PyTorch in this process.

        This needs MMSegmentation. A robot needs neither PyTorch nor MMSegmentation: export the weights for it with
        ``tools/export.py``, which is faster too.

        Args:
            name: Name of the weights, with or without ``bisenet-lite://``.
            size: (width, height) of the frames; ``None`` is any size.
            device: PyTorch device: ``'cpu'`` (default), ``'cuda:0'``, ...
            threads: Number of CPU threads, for everything that PyTorch does in this process.
            precision: ``'fp32'`` (default), ``'bf16'`` or ``'fp16'``, if the device has arithmetic for it.
            threshold: Threshold of the margin: ``None`` is 0, ``'best'`` is the one with the highest F1 on val, or a number.
            resize: As for the class.

        Raises:
            InputError: There are no such weights, MMSegmentation is missing, or the device does not support an argument.
        """
        segmenter = cls.__new__(cls)
        segmenter._start(load_pretrained(name, device, threads, precision, size, threshold), resize)
        return segmenter

    def _start(self, runtime: Runtime, resize: bool) -> None:
        self.resize = resize
        if resize:
            require('cv2', 'opencv-python-headless')
        self._runtime = runtime
        self.latency = Latency()

    @property
    def metadata(self) -> Metadata:
        """Metadata of the file."""
        return self._runtime.metadata

    @property
    def runtime(self) -> str:
        """Name of the library that runs the file."""
        return self._runtime.name

    @property
    def precision(self) -> str:
        """Precision of the computation, such as ``'fp32'`` or ``'int8, bf16'``."""
        return self._runtime.precision

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Return the mask of a frame, or the masks of a batch.

        Args:
            frames: ``(height, width, 3)`` or ``(N, height, width, 3)``, uint8, BGR.

        Returns:
            ``(height, width)`` or ``(N, height, width)``, uint8, indices into ``metadata.classes``.

        Raises:
            InputError: The frames have another shape or type, or the file was exported for another size.
        """
        return self._run(frames)[0]

    def with_margin(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mask and margin of a frame or a batch.

        The margin is the foreground score minus the background score, minus the threshold: float32, in the shape of the mask. A
        pixel is foreground if its margin is above 0.

        Raises:
            InputError: As for a call; or the file was exported without ``--margin``.
        """
        if not self.metadata.margin:
            raise InputError('the file was exported without the margin; export it with --margin')
        mask, margin = self._run(frames)
        return mask, margin

    def stream(self, frames: Iterable[np.ndarray], ahead: int = 2) -> Iterator[np.ndarray]:
        """Yield the masks of a stream of frames, in order; the next frames run while the caller works on a mask.

        Args:
            frames: Frames, each as for a call. They are copied, so their source may reuse its buffers.
            ahead: Number of frames that run at the same time. A mask is yielded when ``ahead`` further frames have been taken,
                or the stream has ended. If the source raises an error, it is raised after the masks of the earlier frames.

        Raises:
            InputError: As for a call; or ``ahead`` is less than 1.
        """
        if ahead < 1:
            raise InputError(f'ahead={ahead}: give a whole number of at least 1')
        pending: deque[Future[np.ndarray]] = deque()
        ended, failure = False, None
        source = iter(frames)
        pool = ThreadPoolExecutor(ahead, 'segmenter')
        try:
            while pending or not ended:
                while len(pending) <= ahead and not ended:
                    try:
                        pending.append(pool.submit(self, np.array(next(source))))
                    except StopIteration:
                        ended = True
                    except Exception as error:  # any error of the source
                        ended, failure = True, error
                if pending:
                    yield pending.popleft().result()
            if failure is not None:
                raise failure
        finally:
            failure = None  # its traceback refers to this call, which would keep the file loaded
            pool.shutdown(cancel_futures=True)

    def _run(self, frames: np.ndarray) -> tuple[np.ndarray, ...]:
        start = time.perf_counter()
        batch = self._checked(frames)
        height, width = batch.shape[1:3]
        size = self.metadata.size
        if size in (None, (width, height)):
            outputs = self._in_batches(batch)
        elif self.resize:
            mask, *margin = self._in_batches(_resized(batch, size, 'INTER_LINEAR'))
            outputs = (
                _resized(mask, (width, height), 'INTER_NEAREST_EXACT'),
                *(_resized(each, (width, height), 'INTER_LINEAR') for each in margin),
            )
        else:
            here, there = (size_text(each) for each in ((width, height), size))
            raise InputError(f'a frame of {here}, but the file was exported for {there}: set resize=True, or export for {here}')
        self.latency.add(time.perf_counter() - start)
        return outputs if frames.ndim == 4 else tuple(output[0] for output in outputs)

    def _checked(self, frames: np.ndarray) -> np.ndarray:
        """Return the frames as ``(N, height, width, 3)``, contiguous."""
        if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.ndim not in (3, 4) or frames.shape[-1] != 3:
            found = f'{frames.shape} {frames.dtype}' if isinstance(frames, np.ndarray) else type(frames).__name__
            raise InputError(f'frames must be a uint8 array (height, width, 3) or (N, height, width, 3), not {found}')
        if 0 in frames.shape:
            raise InputError(f'frames of shape {frames.shape} have no pixels')
        return np.ascontiguousarray(frames if frames.ndim == 4 else frames[None])

    def _in_batches(self, frames: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the outputs, in several runs if the file takes another number of frames; the last run is padded."""
        size = self.metadata.batch
        if size is None or size == len(frames):
            return self._in_one(frames)
        parts = []
        for start in range(0, len(frames), size):
            part = frames[start : start + size]
            filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            parts.append([output[: len(part)] for output in self._in_one(filled)])
        return tuple(np.concatenate(outputs) for outputs in zip(*parts, strict=True))

    def _in_one(self, frames: np.ndarray) -> tuple[np.ndarray, ...]:
        count, height, width, _ = frames.shape
        # On frames of a few pixels, the smallest feature maps are empty; each runtime raises its own error then.
        with as_input_error(
            f'the file cannot run on {count} frame(s) of {size_text((width, height))}', RuntimeError, AssertionError
        ):
            return tuple(self._runtime(frames))


def _resized(arrays: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Resize a batch to another size, (width, height)."""
    cv2 = require('cv2', 'opencv-python-headless')
    return np.stack([cv2.resize(array, size, interpolation=getattr(cv2, interpolation)) for array in arrays])
