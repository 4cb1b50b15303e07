"""What is to be timed."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmseg_bisenet_lite.benchmark.inference.paper import SIZES
from mmseg_bisenet_lite.benchmark.measure import Plan
from mmseg_bisenet_lite.utils.malloc import can_keep


@dataclass(frozen=True)
class BenchmarkConfig:
    """What is to be timed; the names are those of the options of ``tools/benchmark.py``.

    Attributes:
        configs: Files; none is the paper's two networks. The others are compared with the first.
        checkpoint: Weights for each config, files or ``bisenet-lite://NAME``, or ``'none'``; or none at all.
        exported: Files of ``tools/export.py``, each from one of the checkpoints.
        peers: Keys of ``PEERS``.
        sizes: Of the images, (width, height).
        scope: Keys of ``SCOPES``.
        precision: Keys of ``PRECISIONS``.
        engine: Keys of ``ENGINES``, or ``INFERENCE_MODEL``.
        device: Name; ``None`` is the best.
        threads: Of PyTorch's operators on the CPU; ``None`` is PyTorch's choice.
        batch: Images in one call.
        cuda_graph: Whether the calls are recorded once and replayed.
        keep_memory: Whether the host's malloc keeps freed memory, see :func:`~mmseg_bisenet_lite.keep_memory`.
        seconds: At most so long at each size.
        half_width: Stop sooner once each ratio is known to that share.
        accuracy: mIoU in % of models, measured elsewhere, as (name, mIoU).
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
    cuda_graph: bool = False
    keep_memory: bool = can_keep()
    seconds: float = Plan.seconds
    half_width: float = Plan.half_width
    accuracy: Sequence[tuple[str, float]] = ()
