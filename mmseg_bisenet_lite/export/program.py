"""The graph, captured by torch.export: what every format is made of."""

import torch
from torch import nn
from torch.export import Dim, ExportedProgram, export

# Where each operator came from in somebody's checkout; nobody needs it, and it holds the machine's paths.
_ORIGINS = ('stack_trace', 'nn_module_stack', 'source_fn_stack', 'from_node', 'torch_fn')


def capture(graph: nn.Module, size: tuple[int, int] | None, batch: int | None) -> ExportedProgram:
    """The program of a :class:`~mmseg_bisenet_lite.export.graph.FrameToMask`.

    Args:
        graph: The module.
        size: (width, height) of the frames; ``None`` is any.
        batch: Frames in one run; ``None`` is any number.

    Raises:
        RuntimeError, ValueError: The network cannot take frames of that size, or of any size.
    """
    width, height = size or (416, 256)  # of the frames it is tried on where any will do
    frames = torch.zeros(batch or 2, height, width, 3, dtype=torch.uint8)
    free = {axis: Dim.DYNAMIC for axis, fixed in enumerate((batch, size, size)) if fixed is None}
    with torch.no_grad():
        program = export(graph, (frames,), dynamic_shapes=(free,) if free else None)
    for node in program.graph.nodes:
        for origin in _ORIGINS:
            node.meta.pop(origin, None)
    program._guards_code.clear()  # Python, to be evaluated by whoever loads it, about sizes that the network refuses itself
    return program
