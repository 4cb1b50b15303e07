"""Tiles of photographs as virtual files: ``tile://PATH.r0c1of2x2.png`` is the upper right quarter of ``PATH.png``.

Code that reads such a path through MMEngine's file I/O, such as the visualisation hook, gets the tile, with a file name of its
own. So no other code has to know about tiles, and the disk holds no second copy. Our loaders do know: they cut the tile out of
the decoded image.
"""

import io
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from mmengine.fileio import BaseStorageBackend, register_backend
from PIL import Image

from mmseg_bisenet_lite.datasets.decoding import decode
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import check_image

_TILE = re.compile(r'^tile://(?P<stem>.*)\.r(?P<row>\d+)c(?P<column>\d+)of(?P<rows>\d+)x(?P<columns>\d+)(?P<suffix>\.\w+)$')


@dataclass(frozen=True)
class Tile:
    """One part of a photograph.

    Attributes:
        path: File of the photograph.
        row: Row of the tile, from the top, beginning with 0.
        column: Column of the tile, from the left, beginning with 0.
        rows: Number of rows into which the photograph is cut.
        columns: Number of columns into which the photograph is cut.
    """

    path: str
    row: int
    column: int
    rows: int
    columns: int

    @classmethod
    def of(cls, path: str) -> 'Tile':
        """Return the tile of a virtual path; for any other path, the tile is the whole image.

        Raises:
            InputError: The path begins like a tile's path, but does not end like one.
        """
        match = _TILE.match(path)
        if match is None:
            if path.startswith('tile://'):
                raise InputError(f'{path}: not a tile path; give one that ends like .r0c1of2x2.png')
            return cls(path, 0, 0, 1, 1)
        return cls(match['stem'] + match['suffix'], *(int(match[key]) for key in ('row', 'column', 'rows', 'columns')))

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return (left, top, right, bottom) in a photograph of this size; the tiles cover each pixel exactly once."""
        (left, right), (top, bottom) = (
            (length * part // parts, length * (part + 1) // parts)
            for length, part, parts in ((width, self.column, self.columns), (height, self.row, self.rows))
        )
        return left, top, right, bottom

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """Return the tile's pixels, (height, width, ...), as a view of the photograph's."""
        left, top, right, bottom = self.box(pixels.shape[1], pixels.shape[0])
        return pixels[top:bottom, left:right]


def tile_paths(path: str, rows: int, columns: int) -> list[str]:
    """Return the virtual paths of a photograph's ``rows`` x ``columns`` tiles, row by row; for 1 x 1, the path itself."""
    if (rows, columns) == (1, 1):
        return [path]
    stem, suffix = path.removesuffix(Path(path).suffix), Path(path).suffix
    return [f'tile://{stem}.r{r}c{c}of{rows}x{columns}{suffix}' for r, c in product(range(rows), range(columns))]


class TileBackend(BaseStorageBackend):
    """File backend of MMEngine for the ``tile://`` paths of :func:`tile_paths`, on local files."""

    def get(self, filepath: str | Path) -> bytes:
        """Return the tile as an image file: colours as BMP, which costs only a copy, label values as PNG.

        The pixels are those that the loaders see, upright. Pictures with a palette keep both colours and values.
        """
        tile = Tile.of(str(filepath))
        data = Path(tile.path).read_bytes()
        check_image(data, tile.path)
        damaged = f'{tile.path}: not a readable image, or a damaged one'
        with as_input_error(damaged, OSError, SyntaxError), Image.open(io.BytesIO(data)) as image:
            palette = image.getpalette() if image.mode == 'P' else None
            flag, backend = ('unchanged', 'pillow') if image.mode in ('1', 'L', 'P') else ('color', 'cv2')
        part = tile.cut(decode(data, tile.path, flag, backend))
        written = Image.fromarray(np.ascontiguousarray(part[..., ::-1] if part.ndim == 3 else part))
        if palette is not None:
            written.putpalette(palette)
        content = io.BytesIO()
        written.save(content, 'BMP' if part.ndim == 3 else 'PNG')
        return content.getvalue()

    def get_text(self, filepath: str | Path, encoding: str = 'utf-8') -> str:
        """Raise, since a tile is an image."""
        raise InputError(f'{filepath}: a tile is an image, not text')


register_backend('TileBackend', TileBackend, prefixes='tile', force=True)
