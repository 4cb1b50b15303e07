"""Captures the network with torch.export, for every format."""

import torch
from torch import nn
from torch.export import Dim, ExportedProgram, export

# Metadata on the source of each operator: not needed, and it holds paths of this machine.
_ORIGINS = ('stack_trace', 'nn_module_stack', 'source_fn_stack', 'from_node', 'torch_fn')


def capture(graph: nn.Module, size: tuple[int, int] | None, batch: int | None) -> ExportedProgram:
    """Capture a :class:`~mmseg_bisenet_lite.models.frame_to_mask.FrameToMask`.

    Args:
        graph: The module.
        size: (width, height) of the frames in pixels; ``None`` allows any size.
        batch: Frames in one call; ``None`` allows any number.

    Raises:
        RuntimeError, ValueError: The network cannot take frames of this size, or of any size.
    """
    width, height = size or (416, 256)  # an example size for the capture, where any is allowed
    frames = torch.zeros(batch or 2, height, width, 3, dtype=torch.uint8)
    free = {axis: Dim.DYNAMIC for axis, fixed in enumerate((batch, size, size)) if fixed is None}
    with torch.no_grad():
        program = export(graph, (frames,), dynamic_shapes=(free,) if free else None)
    for node in program.graph.nodes:
        for origin in _ORIGINS:
            node.meta.pop(origin, None)
    program._guards_code.clear()  # Python code on sizes, run on loading; the network checks its sizes itself
    return program
