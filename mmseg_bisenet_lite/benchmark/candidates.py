"""The models and how they are made ready to be timed."""

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmseg.apis import init_model
from mmseg.models import BaseSegmentor
from torch import Tensor

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.benchmark.devices import PRECISIONS, set_tf32
from mmseg_bisenet_lite.benchmark.measure import Call
from mmseg_bisenet_lite.benchmark.memory import peak_bytes
from mmseg_bisenet_lite.benchmark.roofline import Operation, operations
from mmseg_bisenet_lite.benchmark.scopes import SCOPES, Frame, Predict, decide
from mmseg_bisenet_lite.datasets.toy import render_scene
from mmseg_bisenet_lite.errors import InputError
from mmseg_bisenet_lite.peers import peer_config

# What is compared when nothing is named: the paper's two networks.
DEFAULT_CONFIGS = ('r18_ce_vehicle', 'lite_hinge_vehicle')

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
        channels_last: Whether maps lie in memory with their channels side by side.
        compile: Whether ``torch.compile`` makes code for each size, with frozen weights.
        cuda_graph: Whether the calls are recorded once and replayed.
        keep_memory: Whether the host's malloc keeps freed memory, see :func:`mmseg_bisenet_lite.malloc.keep_memory`.
    """

    device: torch.device
    scopes: Sequence[str] = ('forward',)
    precisions: Sequence[str] = ('fp32',)
    batch: int = 1
    channels_last: bool = False
    compile: bool = False
    cuda_graph: bool = False
    keep_memory: bool = False

    @property
    def memory_format(self) -> torch.memory_format:
        """Of the image and the weights."""
        return torch.channels_last if self.channels_last else torch.contiguous_format


@dataclass(frozen=True)
class Model:
    """A segmentor as it is after loading: float32, on the host, without the heads that only training needs.

    Attributes:
        name: What the tables call it, unique among the models.
        config: The config's file, or the peer's name.
        checkpoint: The file of its weights; ``None`` is the initial ones.
        segmentor: The network.
        paper: Which of the paper's two networks it is, ``'r18'`` or ``'lite'``, if any.
    """

    name: str
    config: str
    checkpoint: str | None
    segmentor: BaseSegmentor
    paper: str | None

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return sum(parameter.numel() for parameter in self.segmentor.parameters())


def load_models(configs: Sequence[str], checkpoints: Sequence[str], peers: Sequence[str]) -> list[Model]:
    """The models of configs and of peers.

    Args:
        configs: Files. None means the paper's two, of this package.
        checkpoints: Files of weights, one for each config, ``'none'`` for the initial ones; or none at all.
        peers: Keys of :data:`mmseg_bisenet_lite.peers.PEERS`.

    Raises:
        InputError: A file is missing or is no segmentor's config, a checkpoint does not fit, or the numbers differ.
    """
    if not configs:
        folder = compat.mim_folder('mmseg_bisenet_lite') / 'configs'
        configs = [str(folder / f'{name}.py') for name in DEFAULT_CONFIGS]
    if checkpoints and len(checkpoints) != len(configs):
        raise InputError(
            f'--checkpoint names {len(checkpoints)} files for {len(configs)} configs: '
            "give one for each, in their order, or 'none' for a config's initial weights"
        )
    models: list[Model] = []
    for file, checkpoint in zip(configs, checkpoints or ['none'] * len(configs), strict=True):
        models.append(_load(Path(file).stem, file, _read(file), None if checkpoint == 'none' else checkpoint))
    models.extend(_load(peer, peer, peer_config(peer), None) for peer in peers)
    return _with_unique_names(models)


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Say in one line what failed: a device out of memory, an operator that a precision lacks, a compiler that is missing."""
    try:
        yield
    except RuntimeError as error:  # Dynamo's and the allocators' errors are such too
        raise InputError(f'{what}: {_first_line(error)}') from error


def _read(file: str) -> Config:
    if not Path(file).is_file():
        raise InputError(f'{file}: there is no such config')
    try:
        config = Config.fromfile(file)
    except (OSError, SyntaxError) as error:
        raise InputError(f'{file}: not a config: {_first_line(error)}') from error
    if 'model' not in config:
        raise InputError(f'{file}: a config without a model')
    return config


def _load(name: str, source: str, config: Config, checkpoint: str | None) -> Model:
    if checkpoint is not None and not Path(checkpoint).is_file():
        raise InputError(f'{checkpoint}: there is no such checkpoint')
    with warnings.catch_warnings():
        # The losses, which are not run, complain of their settings; the classes' names, which are not needed, may be missing.
        warnings.filterwarnings('ignore', category=UserWarning, module='mmseg')
        try:
            segmentor = init_model(config, None, device='cpu')
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f'{source}: no segmentor can be built from this config: {_first_line(error)}') from error
        if checkpoint is not None:
            segmentor = init_model(config, checkpoint, device='cpu')
    if not hasattr(segmentor, 'encode_decode'):
        raise InputError(f'{source}: {type(segmentor).__name__} is not a segmentor with encode_decode')
    if getattr(segmentor, 'auxiliary_head', None) is not None:
        segmentor.auxiliary_head = None
    segmentor = revert_sync_batchnorm(segmentor).requires_grad_(False).eval()
    return Model(name, source, checkpoint, segmentor, _network_of_the_paper(config))


def _network_of_the_paper(config: Config) -> str | None:
    backbone = config.model.get('backbone') or {}
    context = backbone.get('backbone_cfg') or {}
    if backbone.get('type') in ('BiSeNetLite', 'BiSeNetV1'):
        if context.get('type') == 'LiteVGG' and 'widths' not in context:
            return 'lite'
        if context.get('type') == 'ResNet' and context.get('depth') == 18:
            return 'r18'
    return None


def _with_unique_names(models: list[Model]) -> list[Model]:
    seen: dict[str, int] = {}
    named = []
    for model in models:
        seen[model.name] = seen.get(model.name, 0) + 1
        number = seen[model.name]
        fields = {**vars(model), 'name': f'{model.name}#{number}'} if number > 1 else vars(model)
        named.append(Model(**fields))
    return named


@dataclass(frozen=True)
class Candidate:
    """One model, ready to be timed in one scope at one size.

    Attributes:
        model: The model.
        scope: Key of ``SCOPES``.
        precision: Key of ``PRECISIONS``.
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
            try:
                shapes(torch.empty(1, 3, height, width, device='meta'))
            except (RuntimeError, ValueError) as error:
                raise InputError(f'{model.name} cannot take images of {width}x{height}: {_first_line(error)}') from error


def candidates(models: Sequence[Model], size: tuple[int, int], settings: Settings) -> Iterator[Candidate]:
    """Each model in each scope and precision at one size, checked against its plain self.

    Args:
        models: The models.
        size: (width, height).
        settings: Device, scopes, precisions and options.

    Raises:
        InputError: An option does not work with a model, or it decides otherwise with it.
    """
    frames = frames_of(size, settings.batch)
    if settings.compile:
        torch._dynamo.reset()  # the code of other sizes
    for model in models:
        plain = copy.deepcopy(model.segmentor).to(settings.device)
        image = Frame(plain).to(settings.device).image(torch.from_numpy(frames).to(settings.device))
        if settings.device.type == 'cuda':
            set_tf32(False)
        with _named(f'{model.name}, {size[0]}x{size[1]}'):
            expected = Predict(plain)(image).cpu().numpy()
        for precision in settings.precisions:
            for scope in settings.scopes:
                yield _candidate(model, scope, precision, size, settings, frames, image, expected)


def _candidate(
    model: Model,
    scope: str,
    precision: str,
    size: tuple[int, int],
    settings: Settings,
    frames: np.ndarray,
    image: Tensor,
    expected: np.ndarray,
) -> Candidate:
    dtype, tf32 = PRECISIONS[precision].dtype, PRECISIONS[precision].tf32
    segmentor = copy.deepcopy(model.segmentor).to(settings.device, dtype).to(memory_format=settings.memory_format)
    is_frame = scope == 'frame'
    module = Frame(segmentor, settings.memory_format) if is_frame else SCOPES[scope](segmentor)
    module = module.to(settings.device).eval()
    x = torch.from_numpy(frames).to(settings.device) if is_frame else image.to(dtype, memory_format=settings.memory_format)

    run: Callable[[Tensor], Tensor] = module
    if settings.compile:
        run = torch.compile(module, dynamic=False, options={'freezing': True})
    if settings.device.type == 'cuda':
        set_tf32(tf32)
    what = f'{model.name}, {scope}, {precision}, {size[0]}x{size[1]}'
    torch._dynamo.utils.counters.clear()
    with _named(what):
        run(x)
        held = peak_bytes(module, x, lambda: run(x), settings.compile)
        called = graphed(run, x) if settings.cuda_graph else run
    breaks = sum(torch._dynamo.utils.counters['graph_break'].values())
    call = _call(called, frames if is_frame else x, settings.device, tf32)

    result = torch.as_tensor(call())
    if not result.isfinite().all():
        raise InputError(f'{what}: the scores overflow; leave this precision out')
    mask = decide(result, segmentor.decode_head) if scope == 'forward' else result
    changed = float((mask.cpu().numpy() != expected).mean())
    if precision == 'fp32' and changed > MOST_CHANGED:
        raise InputError(f'{what}: {changed:.1%} of the pixels are decided otherwise than by the plain model')
    counted = operations(module, x, fused=settings.compile)
    return Candidate(model, scope, precision, size, call, counted, held, changed, breaks)


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

    return replay


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
