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
from PIL import Image, UnidentifiedImageError

from mmseg_bisenet_lite.utils.errors import InputError

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
        """Return the tile as a BMP file, which costs only a copy to write and to read."""
        tile = Tile.of(str(filepath))
        path = Path(tile.path)
        bitmap = io.BytesIO()
        try:
            with Image.open(path) as image:
                if image.mode not in ('1', 'L', 'P', 'RGB', 'RGBA'):
                    raise InputError(
                        f'{path}: pixel mode {image.mode} is not supported; save it with 8 bits: grey, palette, RGB or RGBA'
                    )
                part = image.crop(tile.box(*image.size))
                if part.mode == 'P':  # a label map with a palette: keep the values, which a BMP with a palette may not
                    part = Image.frombytes('L', part.size, part.tobytes())
                part.save(bitmap, 'BMP')
        except FileNotFoundError:
            raise
        except (OSError, UnidentifiedImageError, SyntaxError) as error:  # Pillow's errors for truncated or broken files
            raise InputError(f'{path}: not a readable image, or a truncated one ({error})') from error
        return bitmap.getvalue()

    def get_text(self, filepath: str | Path, encoding: str = 'utf-8') -> str:
        """Raise, since a tile is an image."""
        raise InputError(f'{filepath}: a tile is an image, not text')


register_backend('TileBackend', TileBackend, prefixes='tile', force=True)
