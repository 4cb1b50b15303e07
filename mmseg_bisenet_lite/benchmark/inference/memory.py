"""Measures the memory of a call."""

import copy

import torch
from torch import Tensor, nn

from mmseg_bisenet_lite.benchmark.measure import Call


def peak_bytes(module: nn.Module, x: Tensor, call: Call, compiled: bool) -> int | None:
    """Return the bytes of the weights and the peak memory of one call beside them.

    CUDA devices report the peak of the allocator. On other devices it is the peak of the tensors alive at the same time when
    the module runs eagerly, without the memory that libraries allocate themselves.

    Args:
        module: The module.
        x: Its input.
        call: The call that is timed.
        compiled: Whether the call runs compiled code.

    Returns:
        Bytes; ``None`` off CUDA for compiled modules, whose tensors are unknown, and if PyTorch was built without the module
        that counts them.
    """
    if x.device.type == 'cuda':
        before = torch.cuda.memory_allocated(x.device)
        torch.cuda.reset_peak_memory_stats(x.device)
        call()
        weights = sum(tensor.numel() * tensor.element_size() for tensor in (*module.parameters(), *module.buffers()))
        return torch.cuda.max_memory_allocated(x.device) - before + weights
    if compiled or not torch.distributed.is_available():
        return None
    from torch.distributed._tools.mem_tracker import MemTracker

    shapes, tracker = copy.deepcopy(module).to('meta').requires_grad_(), MemTracker()  # the tracker hooks gradients
    tracker.track_external(shapes)
    with tracker, torch.no_grad():
        shapes(x.to('meta'))
    return tracker.get_tracker_snapshot('peak')[torch.device('meta')]['Total']
