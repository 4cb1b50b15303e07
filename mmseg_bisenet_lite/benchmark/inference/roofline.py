"""The roofline model: the least arithmetic and memory traffic of a network, and the device limits of both.

Source: https://doi.org/10.1145/1498765.1498785, applied operator by operator.
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
    """The work of one operator.

    Attributes:
        flops: Multiplications and additions of a convolution or matrix product, two for each multiply-accumulate; 0 for others.
        bytes: Size of its inputs, weights and outputs, each moved once.
    """

    flops: int
    bytes: int


class _Operations(TorchDispatchMode):
    """Collects the operators that run, without views."""

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
    """Return the operators of one pass, with their arithmetic by PyTorch's own formulas.

    The pass runs on shapes alone, so it takes no time and no memory.

    Args:
        module: The module.
        image: Its input, (N, 3, height, width) or frames; only shape and number type matter.
        fused: Leave out operators that a compiler can fuse: all but convolutions and matrix products.
    """
    shapes, image = copy.deepcopy(module).to('meta'), image.to('meta')
    with _Operations() as mode, torch.no_grad():
        shapes(image)
    return [operation for operation in mode.operations if operation.flops or not fused]


def multiply_accumulates(counted: Sequence[Operation]) -> int:
    """Return the multiply-accumulates of all operators."""
    return sum(operation.flops for operation in counted) // 2


def least_seconds(counted: Sequence[Operation], flops: float, bandwidth: float) -> float:
    """Return the least time of a pass in seconds: direct arithmetic, one operator at a time, all tensors from main memory.

    Faster algorithms, such as Winograd's, and feature maps that stay in a cache can take less.

    Args:
        counted: The operators.
        flops: Floating-point operations per second of the device.
        bandwidth: Bytes per second of the device.
    """
    return sum(max(operation.flops / flops, operation.bytes / bandwidth) for operation in counted)


@dataclass(frozen=True)
class Probe:
    """A call that reaches one of the device limits.

    Attributes:
        call: The call.
        amount: Work of one call, in floating-point operations or bytes.
    """

    call: Call
    amount: int


def matrix_product(device: torch.device, dtype: torch.dtype) -> Probe:
    """Return a probe that multiplies two large square matrices."""
    side = 2048 if device.type == 'cpu' else 8192
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(left)
    return Probe(lambda: torch.mm(left, right, out=out), 2 * side**3)


def memory_copy(device: torch.device, size: int = 512 << 20) -> Probe:
    """Return a probe that copies a tensor too large for any cache; it reads ``size`` bytes and writes as many."""
    source = torch.ones(size // 4, device=device)
    target = torch.empty_like(source)
    return Probe(lambda: target.copy_(source), 2 * size)
