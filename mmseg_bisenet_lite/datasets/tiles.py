"""Tiles of photographs as virtual files: ``tile://PATH.r0c1of2x2.png`` is the upper right quarter of ``PATH.png``.

Whoever reads the path through MMEngine's file I/O (the loaders, the visualisation hook) gets the tile, and its file name is
the tile's own, so nothing else has to know about tiles and no second copy lies on the disk.
"""

import io
import re
from itertools import product
from pathlib import Path

from mmengine.fileio import BaseStorageBackend, register_backend
from PIL import Image, UnidentifiedImageError

from mmseg_bisenet_lite.errors import InputError

_TILE = re.compile(r'^tile://(?P<stem>.*)\.r(?P<row>\d+)c(?P<column>\d+)of(?P<rows>\d+)x(?P<columns>\d+)(?P<suffix>\.\w+)$')


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
        match = _TILE.match(str(filepath))
        if match is None:
            raise InputError(f'{filepath}: not a tile path, which ends in .r0c1of2x2.png or the like')
        path = Path(match['stem'] + match['suffix'])
        row, column, rows, columns = (int(match[key]) for key in ('row', 'column', 'rows', 'columns'))
        bitmap = io.BytesIO()
        try:
            with Image.open(path) as image:
                width, height = image.size
                left, right = width * column // columns, width * (column + 1) // columns
                top, bottom = height * row // rows, height * (row + 1) // rows
                if image.mode not in ('1', 'L', 'P', 'RGB', 'RGBA'):
                    raise InputError(f'{path}: its pixels, of mode {image.mode}, are not 8 bits of grey, palette or RGB')
                tile = image.crop((left, top, right, bottom))
                if tile.mode == 'P':  # a label map with a palette: keep the values, which a BMP's palette may not
                    tile = Image.frombytes('L', tile.size, tile.tobytes())
                tile.save(bitmap, 'BMP')
        except FileNotFoundError:
            raise
        except (OSError, UnidentifiedImageError, SyntaxError) as error:  # Pillow's errors for files that are cut or broken
            raise InputError(f'{path}: not a readable image, or a truncated one ({error})') from error
        return bitmap.getvalue()

    def get_text(self, filepath: str | Path, encoding: str = 'utf-8') -> str:
        """Tiles are images."""
        raise InputError(f'{filepath}: a tile is an image, not text')


register_backend('TileBackend', TileBackend, prefixes='tile', force=True)
