"""Models made ready to be timed."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mmseg_bisenet_lite.benchmark.devices import set_tf32
from mmseg_bisenet_lite.benchmark.inference.engines import ENGINES, INFERENCE_MODEL, Exported, inference_model_call
from mmseg_bisenet_lite.benchmark.inference.memory import peak_bytes
from mmseg_bisenet_lite.benchmark.inference.models import Model
from mmseg_bisenet_lite.benchmark.inference.roofline import Operation, operations
from mmseg_bisenet_lite.benchmark.inference.scopes import SCOPES, Frame, Predict, decide
from mmseg_bisenet_lite.benchmark.measure import Call
from mmseg_bisenet_lite.datasets.toy import render_scene
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.precision import PRECISIONS
from mmseg_bisenet_lite.utils.sizes import size_text

# In single precision no setting may change the decision of more than this share of the pixels.
MOST_CHANGED = 0.01


@dataclass(frozen=True)
class Settings:
    """What the models are timed with: the same for all.

    Attributes:
        device: Where.
        scopes: Keys of ``SCOPES``.
        precisions: Keys of ``PRECISIONS``.
        batch: Images in one call.
        engines: Keys of ``ENGINES``, or ``INFERENCE_MODEL``.
        cuda_graph: Whether the calls are recorded once and replayed.
        keep_memory: Whether the host's malloc keeps freed memory, see :func:`mmseg_bisenet_lite.utils.malloc.keep_memory`.
    """

    device: torch.device
    scopes: Sequence[str] = ('forward',)
    precisions: Sequence[str] = ('fp32',)
    batch: int = 1
    engines: Sequence[str] = ('eager',)
    cuda_graph: bool = False
    keep_memory: bool = False

    @property
    def compiles(self) -> bool:
        """Whether any engine does."""
        return any(name in ENGINES and ENGINES[name].compile for name in self.engines)


@dataclass(frozen=True)
class Candidate:
    """One model, ready to be timed in one scope at one size.

    Attributes:
        model: The model.
        scope: Key of ``SCOPES``.
        precision: Key of ``PRECISIONS``, or ``'int8'``.
        engine: What runs it.
        size: (width, height).
        call: What is timed.
        operations: Of one call.
        peak_bytes: Weights, and the most that one call holds beside them; ``None`` where it cannot be told.
        changed: The share of the frame's pixels that it decides otherwise than the model does plainly: eager, in float32.
        graph_breaks: Where ``torch.compile`` gave up and left parts between to run eagerly.
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
    """Street scenes drawn by the toy data set, always the same: (batch, height, width, 3), uint8 BGR."""
    rng = np.random.default_rng(0)
    return np.stack([render_scene(rng, *size)[0] for _ in range(batch)])


def check_sizes(models: Sequence[Model], sizes: Sequence[tuple[int, int]]) -> None:
    """Raise an :class:`InputError` if a model cannot take one of the sizes, (width, height): some need multiples of 8."""
    for model in models:
        shapes = Predict(copy.deepcopy(model.segmentor)).to('meta')
        for width, height in sizes:
            message = f'--sizes: {model.name} cannot take images of {size_text((width, height))}; try multiples of 8'
            with as_input_error(message, RuntimeError, ValueError):
                shapes(torch.empty(1, 3, height, width, device='meta'))


def candidates(
    models: Sequence[Model], size: tuple[int, int], settings: Settings, exported: Sequence[Exported] = ()
) -> Iterator[Candidate]:
    """Each model in each scope, engine and precision at one size, checked against its plain self, in the order of the tables.

    Args:
        models: The models.
        size: (width, height).
        settings: Device, scopes, engines, precisions and options.
        exported: Files of some of the models; those that take the size come last, in the scope ``'frame'``.

    Raises:
        InputError: An option does not work with a model, or it decides otherwise with it.
    """
    if settings.compiles:
        torch._dynamo.reset()  # the code of other sizes
    baselines = {model.name: Baseline(model, size, settings) for model in models}
    for scope in settings.scopes:
        for engine in settings.engines:
            for precision in settings.precisions:
                for model in models:
                    if engine != INFERENCE_MODEL:
                        yield _candidate(baselines[model.name], scope, engine, precision, settings)
                    elif (scope, precision) == ('frame', 'fp32'):
                        call = inference_model_call(baselines[model.name].segmentor, baselines[model.name].frames)
                        yield baselines[model.name].candidate(scope, precision, engine, call)
        for file in exported:
            if scope == 'frame' and file.takes(size):
                segmenter, own = file.load(settings.device), baselines[file.model.name]
                yield own.candidate(scope, file.metadata.precision, segmenter.runtime, partial(segmenter, own.frames))


class Baseline:
    """A model eager in float32, and what it makes of the frames: what every candidate is checked against.

    Attributes:
        model: The model.
        size: (width, height).
        segmentor: Its network on the device.
        frames: (N, height, width, 3), uint8 BGR, in host memory.
        image: The normalised frames on the device.
        expected: The mask, (N, height, width).
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

    def name(self, *details: str) -> str:
        """For errors."""
        return ', '.join([self.model.name, *details, f'{self.size[0]}x{self.size[1]}'])

    def changed(self, mask: np.ndarray, precision: str, what: str) -> float:
        """The share of pixels that a candidate decides otherwise.

        Raises:
            InputError: Too many in single precision.
        """
        changed = float((mask != self.expected).mean())
        if precision == 'fp32' and changed > MOST_CHANGED:
            raise InputError(f'{what}: {changed:.1%} of the pixels differ from the eager fp32 model; leave this engine out')
        return changed

    def candidate(self, scope: str, precision: str, engine: str, call: Call) -> Candidate:
        """One that is not PyTorch's: what is inside is not seen, so its operators are the plain model's, without its memory."""
        changed = self.changed(call(), precision, self.name(scope, engine, precision))
        counted = operations(Frame(self.segmentor), torch.from_numpy(self.frames), fused=True)
        return Candidate(self.model, scope, precision, engine, self.size, call, counted, None, changed, 0)


def _candidate(baseline: Baseline, scope: str, engine: str, precision: str, settings: Settings) -> Candidate:
    model, how = baseline.model, ENGINES[engine]
    dtype, tf32 = PRECISIONS[precision].dtype, PRECISIONS[precision].tf32
    segmentor = copy.deepcopy(model.segmentor).to(settings.device, dtype).to(memory_format=how.memory_format)
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
    with as_input_error(what, RuntimeError):  # out of memory, an operator that a precision lacks, a compiler that is missing
        run(x)
        held = peak_bytes(module, x, lambda: run(x), how.compile)
        called = graphed(run, x) if settings.cuda_graph else run
    breaks = sum(torch._dynamo.utils.counters['graph_break'].values())
    call = _call(called, baseline.frames if is_frame else x, settings.device, tf32)

    result = torch.as_tensor(call())
    if not result.isfinite().all():
        raise InputError(f'{what}: the scores overflow; leave this precision out')
    mask = decide(result, segmentor.decode_head) if scope == 'forward' else result
    changed = baseline.changed(mask.cpu().numpy(), precision, what)
    counted = operations(module, x, fused=how.compile)
    return Candidate(model, scope, precision, engine, baseline.size, call, counted, held, changed, breaks)


def _call(run: Callable[[Tensor], Tensor], x: Tensor | np.ndarray, device: torch.device, tf32: bool) -> Call:
    """The call that is timed: for frames, from host memory to host memory."""
    on_cuda = device.type == 'cuda'

    def call() -> Tensor | np.ndarray:
        if on_cuda:
            set_tf32(tf32)  # a switch of the whole process, so each candidate sets its own
        if isinstance(x, np.ndarray):
            return run(torch.from_numpy(x).to(device)).cpu().numpy()
        return run(x)

    return call


def graphed(run: Callable[[Tensor], Tensor], static: Tensor) -> Callable[[Tensor], Tensor]:
    """A CUDA graph of a call with one tensor, which other tensors of its shape are copied into.

    Source: PyTorch's notes on CUDA graphs, https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # autotuning and lazy allocations must lie behind
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

    replay.reads = run  # type: ignore[attr-defined]  # the graph holds addresses of the weights, not the weights
    return replay
