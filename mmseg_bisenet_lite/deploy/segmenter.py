"""Segmenter: frames to masks, with an exported file or with weights that come with the package."""

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
    """What ``tools/export.py`` wrote, ready to be called with frames as a camera gives them.

    Args:
        file: ``.onnx`` (ONNX Runtime), ``.xml`` with its ``.bin`` (OpenVINO) or ``.engine`` (TensorRT);
            or ``bisenet-lite://NAME``, see :meth:`from_pretrained`.
        device: In the runtime's own words: ``'cpu'`` or ``'cuda:0'``; ``'CPU'``, ``'GPU'`` or ``'NPU'`` for OpenVINO. By
            default the CPU, for TensorRT the first GPU.
        threads: Of the CPU; the runtime's own choice by default.
        precision: To compute in, where the runtime can choose (OpenVINO): ``'fp32'``, ``'fp16'`` or ``'bf16'``. By default
            the file's; what an ``int8`` file keeps in higher precision runs as when it was exported, or in
            ``fp32`` where the device has not that.
        resize: Frames of another size than the file's are resized for it (bilinear), and their masks back (nearest; the
            margins bilinear, so at edges their signs may differ from the mask); else they are an error.

    Attributes:
        metadata: What the file says about itself.
        latency: How long the calls took.

    Raises:
        InputError: The file is missing or not ours, the runtime is not installed, or it cannot do what is asked.

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
        """Run weights that come with the package, such as ``'lite_hinge_vehicle_camvid'``, by PyTorch in this process.

        It needs MMSegmentation. A robot needs neither: export the weights for it with ``tools/export.py``, which is faster too.

        Args:
            name: Of the weights; ``bisenet-lite://`` may come before it.
            size: (width, height) of the frames; ``None`` is any.
            device: ``'cpu'`` (default), ``'cuda:0'``, ...
            threads: Of the CPU, for all that PyTorch does in this process.
            precision: ``'fp32'`` (default), ``'bf16'`` or ``'fp16'``, where the device has arithmetic for it.
            threshold: Of the margin: ``None`` is 0, ``'best'`` the one with the highest F1 on val, or a number.
            resize: As for the class.

        Raises:
            InputError: There are no such weights, MMSegmentation is missing, or the device cannot do what is asked.
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
        """What the file says about itself."""
        return self._runtime.metadata

    @property
    def runtime(self) -> str:
        """Name of the library that runs the file."""
        return self._runtime.name

    @property
    def precision(self) -> str:
        """What it computes in: ``'int8, bf16'``, say."""
        return self._runtime.precision

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """The mask of a frame, or the masks of a batch.

        Args:
            frames: ``(height, width, 3)`` or ``(N, height, width, 3)``, uint8, BGR.

        Returns:
            ``(height, width)`` or ``(N, height, width)``, uint8, indices into ``metadata.classes``.

        Raises:
            InputError: That is not what the frames are, or the file was exported for another size.
        """
        return self._run(frames)[0]

    def with_margin(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same, and the margin that decides: score of the foreground less that of the background, float32.

        Raises:
            InputError: As above, or the file was exported without ``--margin``.
        """
        if not self.metadata.margin:
            raise InputError('the file was exported without the margin; export it with --margin')
        mask, margin = self._run(frames)
        return mask, margin

    def stream(self, frames: Iterable[np.ndarray], ahead: int = 2) -> Iterator[np.ndarray]:
        """The masks of a stream, in its order: the next frames run while the caller works on a mask or waits for a frame.

        Args:
            frames: Each as a call takes it. They are copied, so their source may use its buffers again.
            ahead: Frames under way at the same time. A mask comes out when so many frames have been taken after its own, or
                the stream has ended, also by an error, which comes after the masks of the frames before it.

        Raises:
            InputError: As a call does, or ``ahead`` is less than 1.
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
                    except Exception as error:  # whatever the source raises
                        ended, failure = True, error
                if pending:
                    yield pending.popleft().result()
            if failure is not None:
                raise failure
        finally:
            failure = None  # its trace refers to this frame, and this frame to the file
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
        """``(N, height, width, 3)``."""
        if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.ndim not in (3, 4) or frames.shape[-1] != 3:
            found = f'{frames.shape} {frames.dtype}' if isinstance(frames, np.ndarray) else type(frames).__name__
            raise InputError(f'frames must be a uint8 array (height, width, 3) or (N, height, width, 3), not {found}')
        if 0 in frames.shape:
            raise InputError(f'frames of shape {frames.shape} have no pixels')
        return np.ascontiguousarray(frames if frames.ndim == 4 else frames[None])

    def _in_batches(self, frames: np.ndarray) -> tuple[np.ndarray, ...]:
        """The outputs, run by run where the file takes another number of frames; the last run is filled up."""
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
        # The smallest maps of a network vanish on frames of a few pixels; each library says so in its own way.
        with as_input_error(
            f'the file cannot run on {count} frame(s) of {size_text((width, height))}', RuntimeError, AssertionError
        ):
            return tuple(self._runtime(frames))


def _resized(arrays: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """A batch at another size, (width, height)."""
    cv2 = require('cv2', 'opencv-python-headless')
    return np.stack([cv2.resize(array, size, interpolation=getattr(cv2, interpolation)) for array in arrays])
