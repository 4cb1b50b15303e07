"""What the graph of a file takes and gives, against what its metadata say."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmseg_bisenet_lite.deploy.metadata import FRAMES, MARGIN, MASK, Metadata
from mmseg_bisenet_lite.utils.errors import InputError


class Port(NamedTuple):
    """An input or output of a graph.

    Attributes:
        name: Its name.
        dtype: NumPy's name of its type; the runtime's own name if that is another one.
        shape: Its shape; an axis of any length is ``None``.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        """Return name, shape and type for a message."""
        return f'{self.name} ({", ".join("any" if length is None else str(length) for length in self.shape)}) {self.dtype}'


def check_graph(metadata: Metadata, inputs: Sequence[Port], outputs: Sequence[Port], file: Path) -> None:
    """Raise an :class:`InputError` unless the graph takes the frames and gives the masks that the metadata promise."""
    width, height = metadata.size or (None, None)
    shape = (metadata.batch, height, width)
    promised = [Port(MASK, 'uint8', shape), *([Port(MARGIN, 'float32', shape)] if metadata.margin else [])]
    fits = list(inputs) == [Port(FRAMES, 'uint8', (*shape, 3))] and len(outputs) == len(promised)
    if not fits or not all(_fits(*pair) for pair in zip(outputs, promised, strict=True)):
        there, here = (
            '; '.join(map(str, ports)) for ports in ((*inputs, *outputs), (Port(FRAMES, 'uint8', (*shape, 3)), *promised))
        )
        raise InputError(f'{file}: its metadata promise {here}, but the graph has {there[:400]}; export it again')


def _fits(output: Port, promised: Port) -> bool:
    """Whether an output is the promised one; a runtime may not know all of its lengths."""
    lengths = zip(output.shape, promised.shape, strict=False)
    return (
        output[:2] == promised[:2]
        and len(output.shape) == len(promised.shape)
        and all(length in (None, wanted) for length, wanted in lengths)
    )
