"""The options of the inference benchmark."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmseg_bisenet_lite.benchmark.inference.paper import SIZES
from mmseg_bisenet_lite.benchmark.measure import Plan
from mmseg_bisenet_lite.utils.malloc import can_keep


@dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the inference benchmark, named as the options of ``tools/benchmark.py``.

    Attributes:
        configs: Config files, compared with the first one; empty for the paper's two networks.
        checkpoint: Checkpoint file, ``bisenet-lite://NAME`` or ``'none'`` for each config; empty for initial weights.
        exported: Files of ``tools/export.py``, each exported from one of the checkpoints.
        peers: Keys of ``PEERS``.
        sizes: Sizes of the images, (width, height) in pixels.
        scope: Keys of ``SCOPES``.
        precision: Keys of ``PRECISIONS``.
        engine: Keys of ``ENGINES`` or ``RUNTIMES``, or ``INFERENCE_MODEL``.
        device: Name of the device; ``None`` is the best.
        threads: Threads of PyTorch's CPU operators; ``None`` is PyTorch's choice.
        batch: Images in one call.
        fuse: Fold the batch norms into the convolutions, as exported files have them.
        cuda_graph: Record each call once as a CUDA graph, and replay it.
        keep_memory: Keep freed memory in the process; see :func:`~mmseg_bisenet_lite.keep_memory`.
        seconds: Longest time at each size, in seconds.
        half_width: Stop a size earlier, once the interval of each ratio is no wider than this to either side, as a share of the
            ratio.
        accuracy: (name, accuracy in %) of models, measured elsewhere.
    """

    configs: Sequence[str] = ()
    checkpoint: Sequence[str] = ()
    exported: Sequence[str] = ()
    peers: Sequence[str] = ()
    sizes: Sequence[tuple[int, int]] = SIZES
    scope: Sequence[str] = ('forward',)
    precision: Sequence[str] = ('fp32',)
    engine: Sequence[str] = ('eager',)
    device: str | None = None
    threads: int | None = None
    batch: int = 1
    fuse: bool = False
    cuda_graph: bool = False
    keep_memory: bool = can_keep()
    seconds: float = Plan.seconds
    half_width: float = Plan.half_width
    accuracy: Sequence[tuple[str, float]] = ()
