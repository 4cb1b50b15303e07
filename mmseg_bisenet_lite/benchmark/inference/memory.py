"""How much memory a call needs."""

import copy

import torch
from torch import Tensor, nn

from mmseg_bisenet_lite.benchmark.measure import Call


def peak_bytes(module: nn.Module, x: Tensor, call: Call, compiled: bool) -> int | None:
    """The weights, and the most that one call holds beside them.

    On CUDA devices as the allocator saw it. Elsewhere the sum of the tensors that are alive at once when the module runs
    eagerly, without what libraries take for themselves; ``None`` of compiled modules, whose tensors are not seen, and where
    PyTorch was built without the module that counts.

    Args:
        module: What is called.
        x: Its input.
        call: The call as it is timed.
        compiled: Whether the call runs compiled code.
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

    shapes, tracker = copy.deepcopy(module).to('meta').requires_grad_(), MemTracker()  # it hooks gradients
    tracker.track_external(shapes)
    with tracker, torch.no_grad():
        shapes(x.to('meta'))
    return tracker.get_tracker_snapshot('peak')[torch.device('meta')]['Total']
