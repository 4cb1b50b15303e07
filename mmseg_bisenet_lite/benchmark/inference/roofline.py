"""How far from the device's limits a network runs: its least arithmetic and traffic, and what the device can do of both.

Source: the roofline model, https://doi.org/10.1145/1498765.1498785, taken operator by operator.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from mmseg_bisenet_lite.benchmark.measure import Call


@dataclass(frozen=True)
class Operation:
    """One operator's run.

    Attributes:
        flops: Multiplications and additions of a convolution or matrix product, two for each multiply-accumulate; else 0.
        bytes: Of its inputs, weights and outputs, each moved once.
    """

    flops: int
    bytes: int


class _Operations(TorchDispatchMode):
    """Collects the operators that run, but for those that only look at a tensor in another shape."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if tensors and not func.is_view:
            tensors += [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
            count = flop_registry.get(func._overloadpacket)
            flops = count(*args, **(kwargs or {}), out_val=out) if count else 0
            self.operations.append(Operation(flops, sum(tensor.numel() * tensor.element_size() for tensor in tensors)))
        return out


def operations(module: nn.Module, image: Tensor, fused: bool = False) -> list[Operation]:
    """The operators of one pass; the arithmetic is counted by PyTorch's own formulas.

    It runs on shapes alone, so it takes no time and no memory.

    Args:
        module: What to count.
        image: Its input; only shape and number type matter.
        fused: Leave out what a compiler can do on the way: everything but convolutions and matrix products.
    """
    shapes, image = copy.deepcopy(module).to('meta'), image.to('meta')
    with _Operations() as mode, torch.no_grad():
        shapes(image)
    return [operation for operation in mode.operations if operation.flops or not fused]


def multiply_accumulates(counted: Sequence[Operation]) -> int:
    """Of all operators."""
    return sum(operation.flops for operation in counted) // 2


def least_seconds(counted: Sequence[Operation], flops: float, bandwidth: float) -> float:
    """The least time of a pass by direct arithmetic, one operator after the other, every tensor through the main memory.

    Faster algorithms (Winograd's) and maps that stay in a cache can beat it.

    Args:
        counted: The operators.
        flops: What the device computes, per second.
        bandwidth: What it moves, in bytes per second.
    """
    return sum(max(operation.flops / flops, operation.bytes / bandwidth) for operation in counted)


@dataclass(frozen=True)
class Probe:
    """A call that takes a device to one of its limits.

    Attributes:
        call: The call.
        amount: What it does each time, in floating-point operations or bytes.
    """

    call: Call
    amount: int


def matrix_product(device: torch.device, dtype: torch.dtype) -> Probe:
    """The product of two large square matrices."""
    side = 2048 if device.type == 'cpu' else 8192
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(left)
    return Probe(lambda: torch.mm(left, right, out=out), 2 * side**3)


def memory_copy(device: torch.device, size: int = 512 << 20) -> Probe:
    """A copy too large for any cache; ``size`` bytes are read and as many written."""
    source = torch.ones(size // 4, device=device)
    target = torch.empty_like(source)
    return Probe(lambda: target.copy_(source), 2 * size)
