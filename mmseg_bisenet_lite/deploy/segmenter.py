"""Segmenter: from frames to masks, with an exported file or weights that come with the package."""

import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.deploy.fit import Letterbox
from mmseg_bisenet_lite.deploy.latency import Latency
from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.deploy.runtimes import Runtime, ShiftedRuntime, load_pretrained, load_runtime
from mmseg_bisenet_lite.pretrained.names import SCHEME
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.sizes import size_text

# What a call may ask for, so that the memory it needs is known. A network needs about 200 bytes a pixel while it runs.
MOST_PIXELS_IN_A_RUN = 2**23  # pixels of the frames that run together; further frames of the batch run after them
MOST_PIXELS_OF_A_FRAME = 2**25  # pixels of a frame in a file for any size: 7680x4320
MOST_PIXELS_IN_A_CALL = 2**30  # pixels of the whole batch


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
        resize: Whether to take frames that do not have the file's size, and to give their masks in the frames' size; otherwise
            such a frame is an error. The frame is letterboxed: scaled with its proportions, as large as it fits, see
            :class:`~mmseg_bisenet_lite.deploy.fit.Letterbox`. The first frame of another shape causes a warning that names
            both sizes. Margins are scaled back bilinearly, so their signs may differ from the mask at edges.
        threshold: Threshold of the trained network's margin, for files with the margin: ``None`` is the file's; ``'best'``
            had the highest F1 on val; ``'recall=R'`` and ``'precision=P'`` had at least this share on val; or a number.

    Attributes:
        metadata: Metadata of the file.
        latency: Durations of the calls.

    Raises:
        InputError: The file is missing or was not written by ``tools/export.py``, the runtime is not installed or does not
            support an argument, or the file does not tell the threshold or has no margin to shift.

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
        threshold: str | float | None = None,
    ) -> None:
        if str(file).startswith(SCHEME):
            runtime = load_pretrained(str(file), device, threads, precision, threshold=threshold)
        else:
            runtime = load_runtime(file, device, threads, precision)
            if threshold is not None:
                runtime = ShiftedRuntime(runtime, threshold, file)
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
        """Run weights that come with the package, such as ``'lite-shared_hinge_vehicle_camvid'``, with PyTorch in this process.

        This needs MMSegmentation. A robot needs neither PyTorch nor MMSegmentation: export the weights for it with
        ``tools/export.py``, which is faster too.

        Args:
            name: Name of the weights, with or without ``bisenet-lite://``.
            size: (width, height) of the frames; ``None`` is any size.
            device: PyTorch device: ``'cpu'`` (default), ``'cuda:0'``, ...
            threads: Number of CPU threads, for everything that PyTorch does in this process.
            precision: ``'fp32'`` (default), ``'bf16'`` or ``'fp16'``, if the device has arithmetic for it.
            threshold: Threshold of the margin: ``None`` is 0; the others as for the class.
            resize: As for the class.

        Raises:
            InputError: There are no such weights, MMSegmentation is missing, or the device does not support an argument.
        """
        segmenter = cls.__new__(cls)
        segmenter._start(load_pretrained(name, device, threads, precision, size, threshold), resize)
        return segmenter

    @classmethod
    def from_checkpoint(
        cls,
        config: str | Path,
        checkpoint: str | Path,
        size: tuple[int, int] | None = None,
        device: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        threshold: str | float | None = None,
        resize: bool = False,
    ) -> 'Segmenter':
        """Run a checkpoint of one's own with PyTorch in this process, as :meth:`from_pretrained` runs weights of the package.

        Args:
            config: Config file of the segmentor. It is code: read only configs that you trust.
            checkpoint: File of the weights, or ``bisenet-lite://NAME``.
            size: (width, height) of the frames; ``None`` is any size.
            device: As for ``from_pretrained``.
            threads: As for ``from_pretrained``.
            precision: As for ``from_pretrained``.
            threshold: As for ``from_pretrained``.
            resize: As for the class.

        Raises:
            InputError: As for ``from_pretrained``; or the checkpoint does not fit the config, or they are not for two classes.
        """
        segmenter = cls.__new__(cls)
        segmenter._start(load_pretrained(str(checkpoint), device, threads, precision, size, threshold, str(config)), resize)
        return segmenter

    _told = False  # whether it was said that a frame is letterboxed

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
            InputError: The frames have another shape or type, have too many pixels for one call, or the file was exported for
                another size.
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
                        pending.append(pool.submit(self, np.array(check_frames(next(source)))))
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
        check_frames(frames)
        batch = frames if frames.ndim == 4 else frames[None]
        box = self._box((batch.shape[2], batch.shape[1]))
        count = self.metadata.batch or max(1, MOST_PIXELS_IN_A_RUN // (box.size[0] * box.size[1]))
        parts = [self._in_one(batch[first : first + count], box) for first in range(0, len(batch), count)]
        outputs = parts[0] if len(parts) == 1 else tuple(np.concatenate(each) for each in zip(*parts, strict=True))
        self.latency.add(time.perf_counter() - start)
        return outputs if frames.ndim == 4 else tuple(output[0] for output in outputs)

    def _box(self, frame: tuple[int, int]) -> Letterbox:
        """Return where frames of this size, (width, height), lie in the file's size."""
        size = self.metadata.size
        if size is None:
            if frame[0] * frame[1] > MOST_PIXELS_OF_A_FRAME:
                raise InputError(
                    f'a frame of {size_text(frame)} needs too much memory: a file for any size takes frames of up to '
                    f'{MOST_PIXELS_OF_A_FRAME:,} pixels; make it smaller, or export a file for a smaller size'
                )
            return Letterbox(frame, frame)
        box = Letterbox(frame, size)
        if frame == size:
            return box
        if not self.resize:
            here, there = size_text(frame), size_text(size)
            raise InputError(f'a frame of {here}, but the file was exported for {there}: set resize=True, or export for {here}')
        if box.inner != size and not self._told:
            self._told = True
            warnings.warn(f'{box}, and later ones likewise; for the best masks export for {size_text(frame)}', stacklevel=4)
        return box

    def _in_one(self, frames: np.ndarray, box: Letterbox) -> tuple[np.ndarray, ...]:
        """Return the outputs for as many frames as the file takes in one run, or fewer: then the last one is repeated."""
        batch = frames if box.frame == box.size else np.stack([box.put(np.ascontiguousarray(frame)) for frame in frames])
        if (missing := (self.metadata.batch or 0) - len(batch)) > 0:
            batch = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
        with as_input_error(
            f'the file cannot run on {len(batch)} frame(s) of {size_text(box.size)}', RuntimeError, AssertionError, MemoryError
        ):
            outputs = self._runtime(np.ascontiguousarray(batch))
        if any(output.shape != batch.shape[:3] for output in outputs):
            shapes = ', '.join(str(output.shape) for output in outputs)
            raise InputError(f'the file gave {shapes} for frames of {batch.shape}: this is no file that tools/export.py wrote')
        if outputs[0].max() > 1:
            raise InputError('the file gave a mask of other values than 0 and 1: this is no file that tools/export.py wrote')
        outputs = [output[: len(frames)] for output in outputs]
        if box.frame == box.size:
            return tuple(outputs)
        return tuple(np.stack([box.cut(each) for each in output]) for output in outputs)


def check_frames(frames: np.ndarray) -> np.ndarray:
    """Return the frames, if they are a frame or a batch, as a Segmenter takes them.

    Raises:
        InputError: They are not, or have too many pixels for one call.
    """
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.ndim not in (3, 4) or frames.shape[-1] != 3:
        found = f'{frames.shape} {frames.dtype}' if isinstance(frames, np.ndarray) else type(frames).__name__
        raise InputError(f'frames must be a uint8 array (height, width, 3) or (N, height, width, 3), not {found}')
    if 0 in frames.shape:
        raise InputError(f'frames of shape {frames.shape} have no pixels')
    if frames.size > 3 * MOST_PIXELS_IN_A_CALL:
        raise InputError(
            f'frames of shape {frames.shape} need too much memory: one call takes up to {MOST_PIXELS_IN_A_CALL:,} pixels; '
            'give fewer or smaller frames at once'
        )
    return frames
