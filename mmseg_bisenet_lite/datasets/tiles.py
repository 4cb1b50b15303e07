"""Tiles of photographs as virtual files: ``tile://PATH.r0c1of2x2.png`` is the upper right quarter of ``PATH.png``.

Whoever reads the path through MMEngine's file I/O (the visualisation hook, say) gets the tile, and its file name is the tile's
own, so nothing else has to know about tiles and no second copy lies on the disk. Our loaders know: they cut the decoded image.
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
        path: The photograph's file.
        row: From above, from 0 on.
        column: From the left, from 0 on.
        rows: Into how many the photograph is cut.
        columns: The same.
    """

    path: str
    row: int
    column: int
    rows: int
    columns: int

    @classmethod
    def of(cls, path: str) -> 'Tile':
        """The tile of a virtual path; any other path is one tile, the whole.

        Raises:
            InputError: It begins as a tile's path and does not end as one.
        """
        match = _TILE.match(path)
        if match is None:
            if path.startswith('tile://'):
                raise InputError(f'{path}: not a tile path; give one that ends like .r0c1of2x2.png')
            return cls(path, 0, 0, 1, 1)
        return cls(match['stem'] + match['suffix'], *(int(match[key]) for key in ('row', 'column', 'rows', 'columns')))

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Its (left, top, right, bottom) in a photograph of this size; the tiles cover it, each pixel once."""
        (left, right), (top, bottom) = (
            (length * part // parts, length * (part + 1) // parts)
            for length, part, parts in ((width, self.column, self.columns), (height, self.row, self.rows))
        )
        return left, top, right, bottom

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """The tile's pixels, a view of the photograph's, (height, width, ...)."""
        left, top, right, bottom = self.box(pixels.shape[1], pixels.shape[0])
        return pixels[top:bottom, left:right]


def tile_paths(path: str, rows: int, columns: int) -> list[str]:
    """The virtual paths of a photograph's ``rows`` x ``columns`` tiles, row by row; the path itself for 1 x 1."""
    if (rows, columns) == (1, 1):
        return [path]
    stem, suffix = path.removesuffix(Path(path).suffix), Path(path).suffix
    return [f'tile://{stem}.r{r}c{c}of{rows}x{columns}{suffix}' for r, c in product(range(rows), range(columns))]


class TileBackend(BaseStorageBackend):
    """File backend for the ``tile://`` paths of :func:`tile_paths`, over local files."""

    def get(self, filepath: str | Path) -> bytes:
        """The tile's pixels as a BMP file, which costs a copy to write and to read."""
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
                if part.mode == 'P':  # a label map with a palette: keep the values, which a BMP's palette may not
                    part = Image.frombytes('L', part.size, part.tobytes())
                part.save(bitmap, 'BMP')
        except FileNotFoundError:
            raise
        except (OSError, UnidentifiedImageError, SyntaxError) as error:  # Pillow's errors for files that are cut or broken
            raise InputError(f'{path}: not a readable image, or a truncated one ({error})') from error
        return bitmap.getvalue()

    def get_text(self, filepath: str | Path, encoding: str = 'utf-8') -> str:
        """Tiles are images."""
        raise InputError(f'{filepath}: a tile is an image, not text')


register_backend('TileBackend', TileBackend, prefixes='tile', force=True)
