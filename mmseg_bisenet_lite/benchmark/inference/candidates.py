"""Candidates: models prepared for timing."""

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from mmseg.models import BaseSegmentor
from torch import Tensor

from mmseg_bisenet_lite.benchmark.devices import set_tf32
from mmseg_bisenet_lite.benchmark.inference.engines import (
    ENGINES,
    INFERENCE_MODEL,
    RUNTIMES,
    Exported,
    Runtime,
    in_runtime,
    inference_model_call,
    precisions_of,
)
from mmseg_bisenet_lite.benchmark.inference.memory import peak_bytes
from mmseg_bisenet_lite.benchmark.inference.models import Model
from mmseg_bisenet_lite.benchmark.inference.roofline import Operation, operations
from mmseg_bisenet_lite.benchmark.inference.scopes import SCOPES, Frame, Predict, decide
from mmseg_bisenet_lite.benchmark.measure import Call
from mmseg_bisenet_lite.datasets.toy import render_scene
from mmseg_bisenet_lite.models.batch_norms import fold_batch_norms
from mmseg_bisenet_lite.models.decision import own_threshold, set_threshold
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.precision import PRECISIONS
from mmseg_bisenet_lite.utils.sizes import size_text

# In float32 no engine may change the class of more than this share of the pixels.
MOST_CHANGED = 0.01


@dataclass(frozen=True)
class Settings:
    """The settings for all models.

    Attributes:
        device: The device.
        scopes: Keys of ``SCOPES``.
        precisions: Keys of ``PRECISIONS``.
        batch: Images in one call.
        engines: Keys of ``ENGINES`` or ``RUNTIMES``, or ``INFERENCE_MODEL``.
        cuda_graph: Record each call once as a CUDA graph, and replay it.
        keep_memory: Keep freed memory in the process; see :func:`mmseg_bisenet_lite.utils.malloc.keep_memory`.
        fuse: Fold the batch norms into the convolutions.
    """

    device: torch.device
    scopes: Sequence[str] = ('forward',)
    precisions: Sequence[str] = ('fp32',)
    batch: int = 1
    engines: Sequence[str] = ('eager',)
    cuda_graph: bool = False
    keep_memory: bool = False
    fuse: bool = False

    @property
    def runtimes(self) -> dict[str, Runtime]:
        """The engines that export the models for the run."""
        return {engine: RUNTIMES[engine] for engine in self.engines if engine in RUNTIMES}

    @property
    def compiles(self) -> bool:
        """Whether an engine compiles the models."""
        return any(name in ENGINES and ENGINES[name].compile for name in self.engines)


@dataclass(frozen=True)
class Candidate:
    """One model, prepared for timing in one scope at one size.

    Attributes:
        model: The model.
        scope: Key of ``SCOPES``.
        precision: Key of ``PRECISIONS``, or ``'int8'``.
        engine: Key of ``ENGINES`` or ``RUNTIMES``, ``INFERENCE_MODEL``, or the runtime of an exported file.
        size: (width, height) in pixels.
        call: The call to time.
        operations: Operators of one call.
        peak_bytes: Weights, and the peak memory of one call beside them, in bytes; ``None`` if unknown.
        changed: Share of the pixels whose class differs from the model's in eager float32.
        graph_breaks: Number of places where ``torch.compile`` stopped and left code to run eagerly.
    """

    model: Model
    scope: str
    precision: str
    engine: str
    size: tuple[int, int]
    call: Call
    operations: list[Operation]
    peak_bytes: int | None
    changed: float
    graph_breaks: int


def frames_of(size: tuple[int, int], batch: int) -> np.ndarray:
    """Draw the toy dataset's street scenes, the same in every run.

    Args:
        size: (width, height) in pixels.
        batch: Number of frames.

    Returns:
        (batch, height, width, 3), uint8, BGR.
    """
    rng = np.random.default_rng(0)
    return np.stack([render_scene(rng, *size)[0] for _ in range(batch)])


def check_sizes(models: Sequence[Model], sizes: Sequence[tuple[int, int]], option: str = '--sizes') -> None:
    """Raise an :class:`InputError` if a model cannot take one of the sizes, (width, height): some need multiples of 8.

    Args:
        models: The models.
        sizes: The sizes.
        option: What gave them, for the error.
    """
    for model in models:
        shapes = Predict(copy.deepcopy(model.segmentor)).to('meta')
        for width, height in sizes:
            message = f'{option}: {model.name} cannot take images of {size_text((width, height))}; try multiples of 8'
            with as_input_error(message, RuntimeError, ValueError):
                shapes(torch.empty(1, 3, height, width, device='meta'))


def candidates(
    models: Sequence[Model], size: tuple[int, int], settings: Settings, exported: Sequence[Exported] = ()
) -> Iterator[Candidate]:
    """Prepare each model in each scope, engine and precision at one size, and check its masks, in the order of the tables.

    Args:
        models: The models.
        size: (width, height) in pixels.
        settings: Device, scopes, engines, precisions and options.
        exported: Exported files of some models; those that take the size come last, in the scope ``'frame'``.

    Raises:
        InputError: An option does not work with a model, or changes its masks in float32.
    """
    if settings.compiles:
        torch._dynamo.reset()  # drop the code for other sizes
    baselines = {model.name: Baseline(model, size, settings) for model in models}
    for scope in settings.scopes:
        for engine in settings.engines:
            for precision in settings.precisions:
                for model in models:
                    baseline = baselines[model.name]
                    if engine in ENGINES:
                        yield _candidate(baseline, scope, engine, precision, settings)
                    elif scope == 'frame' and precision in precisions_of(engine):
                        yield baseline.candidate(scope, precision, engine, baseline.call(engine, precision, settings))
        for file in exported:
            if scope == 'frame' and file.takes(size):
                segmenter, baseline = file.load(settings.device), baselines[file.model.name]
                call = partial(segmenter, baseline.frames)
                expected = baseline.expected_at(file.metadata.threshold)
                yield baseline.candidate(scope, file.metadata.precision, segmenter.runtime, call, expected)


class Baseline:
    """A model in eager float32 and its masks, the reference for every candidate.

    Attributes:
        model: The model.
        size: (width, height) in pixels.
        segmentor: Its network on the device.
        frames: (N, height, width, 3), uint8, BGR, in host memory.
        image: The normalised frames on the device, (N, 3, height, width).
        expected: The masks, (N, height, width).
    """

    def __init__(self, model: Model, size: tuple[int, int], settings: Settings) -> None:
        self.model, self.size = model, size
        self.segmentor = copy.deepcopy(model.segmentor).to(settings.device)
        self.frames = frames_of(size, settings.batch)
        self.image = Frame(self.segmentor).to(settings.device).image(torch.from_numpy(self.frames).to(settings.device))
        if settings.device.type == 'cuda':
            set_tf32(False)
        with as_input_error(self.name(), RuntimeError):
            self.expected = Predict(self.segmentor)(self.image).cpu().numpy()

    def expected_at(self, threshold: float) -> np.ndarray:
        """Return the masks, (N, height, width), at a threshold of the margin, as files may have one."""
        if threshold == own_threshold(self.segmentor.decode_head):
            return self.expected
        moved = copy.deepcopy(self.segmentor)
        set_threshold(moved, threshold)
        return with_tf32(lambda: Predict(moved)(self.image), self.image.device, False)().cpu().numpy()

    def network(self, settings: Settings) -> BaseSegmentor:
        """Return a copy of the network on the device, fused if the settings say so."""
        segmentor = copy.deepcopy(self.segmentor)
        if settings.fuse:
            fold_batch_norms(segmentor)
        return segmentor

    def call(self, engine: str, precision: str, settings: Settings) -> Call:
        """Return the call of an engine that takes the frames; of ``RUNTIMES`` or ``INFERENCE_MODEL``."""
        if engine == INFERENCE_MODEL:
            return with_tf32(inference_model_call(self.network(settings), self.frames), settings.device, False)
        try:
            segmenter = in_runtime(engine, self.segmentor, self.size, settings.batch, precision)
        except InputError as error:
            raise InputError(
                f'{self.name(engine, precision)}: cannot be exported; leave this engine out: {error.line}'
            ) from error
        return partial(segmenter, self.frames)

    def name(self, *details: str) -> str:
        """Return the name for error messages: model, details and size."""
        return ', '.join([self.model.name, *details, f'{self.size[0]}x{self.size[1]}'])

    def changed(self, mask: np.ndarray, precision: str, what: str, expected: np.ndarray | None = None) -> float:
        """Return the share of the pixels whose class a candidate changes.

        Args:
            mask: The candidate's masks, (N, height, width).
            precision: The candidate's precision.
            what: The candidate's name for the error message.
            expected: The masks to compare with; ``None`` for the network's own.

        Raises:
            InputError: More than ``MOST_CHANGED`` in float32.
        """
        changed = float((mask != (self.expected if expected is None else expected)).mean())
        if precision == 'fp32' and changed > MOST_CHANGED:
            raise InputError(f'{what}: {changed:.1%} of the pixels differ from the eager fp32 model; leave this engine out')
        return changed

    def candidate(self, scope: str, precision: str, engine: str, call: Call, expected: np.ndarray | None = None) -> Candidate:
        """Make a candidate of another runtime. Its operators and memory are unknown: it gets the folded eager model's."""
        changed = self.changed(call(), precision, self.name(scope, engine, precision), expected)
        return Candidate(self.model, scope, precision, engine, self.size, call, self._operations, None, changed, 0)

    @functools.cached_property
    def _operations(self) -> list[Operation]:
        folded = copy.deepcopy(self.segmentor)
        fold_batch_norms(folded)
        return operations(Frame(folded), torch.from_numpy(self.frames), fused=True)


def _candidate(baseline: Baseline, scope: str, engine: str, precision: str, settings: Settings) -> Candidate:
    model, how = baseline.model, ENGINES[engine]
    dtype, tf32 = PRECISIONS[precision].dtype, PRECISIONS[precision].tf32
    segmentor = baseline.network(settings).to(dtype).to(memory_format=how.memory_format)
    is_frame = scope == 'frame'
    module = Frame(segmentor, how.memory_format) if is_frame else SCOPES[scope](segmentor)
    module = module.to(settings.device).eval()
    frames = torch.from_numpy(baseline.frames).to(settings.device)
    x = frames if is_frame else baseline.image.to(dtype, memory_format=how.memory_format)

    run: Callable[[Tensor], Tensor] = module
    if how.compile:
        run = torch.compile(module, dynamic=False, options={'freezing': True})
    if settings.device.type == 'cuda':
        set_tf32(tf32)
    what = baseline.name(scope, *([] if engine == 'eager' else [engine]), precision)
    torch._dynamo.utils.counters.clear()
    with as_input_error(what, RuntimeError):  # out of memory, an operator without this precision, or no compiler
        run(x)
        peak = peak_bytes(module, x, lambda: run(x), how.compile)
        timed = graphed(run, x) if settings.cuda_graph else run
    breaks = sum(torch._dynamo.utils.counters['graph_break'].values())
    call = _call(timed, baseline.frames if is_frame else x, settings.device, tf32)

    result = torch.as_tensor(call())
    if not result.isfinite().all():
        raise InputError(f'{what}: the scores overflow; leave this precision out')
    mask = decide(result, segmentor.decode_head) if scope == 'forward' else result
    changed = baseline.changed(mask.cpu().numpy(), precision, what)
    counted = operations(module, x, fused=how.compile)
    return Candidate(model, scope, precision, engine, baseline.size, call, counted, peak, changed, breaks)


def _call(run: Callable[[Tensor], Tensor], x: Tensor | np.ndarray, device: torch.device, tf32: bool) -> Call:
    """Return the call to time; for frames, it goes from host memory to host memory."""

    def call() -> Tensor | np.ndarray:
        if isinstance(x, np.ndarray):
            return run(torch.from_numpy(x).to(device)).cpu().numpy()
        return run(x)

    return with_tf32(call, device, tf32)


def with_tf32(call: Callable[[], Any], device: torch.device, tf32: bool) -> Callable[[], Any]:
    """Return a call with TF32 allowed or not on a GPU: a setting of the whole process, so each call sets its own."""

    def with_setting() -> Any:
        set_tf32(tf32)
        return call()

    return with_setting if device.type == 'cuda' else call


def graphed(run: Callable[[Tensor], Tensor], static: Tensor) -> Callable[[Tensor], Tensor]:
    """Record a call as a CUDA graph on one tensor; other tensors of its shape are copied into that one.

    Source: PyTorch's notes on CUDA graphs, https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # autotuning and lazy allocations must be over before the recording
            run(static)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = run(static)

    def replay(x: Tensor) -> Tensor:
        if x is not static:
            static.copy_(x)
        graph.replay()
        return out

    replay.reads = run  # type: ignore[attr-defined]  # keeps the weights alive; the graph holds only their addresses
    return replay
