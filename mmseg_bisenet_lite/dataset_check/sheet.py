"""Contact sheets: the photographs of a split that are most worth a look, with their masks painted."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mmseg_bisenet_lite.dataset_check.files import Record, read_photograph
from mmseg_bisenet_lite.deploy.paint import paint
from mmseg_bisenet_lite.utils.errors import InputError

CELLS, COLUMNS = 24, 6
_WIDTH, _HEIGHT, _LINE = 320, 180, 18  # of a cell's picture, and of one of its two lines of text
_RED, _WHITE, _GREY = (90, 90, 255), (255, 255, 255), 40  # BGR
_PALETTE = ((0, 0, 0), (255, 0, 80))  # RGB


@dataclass(frozen=True, eq=False)
class Cell:
    """A photograph of a contact sheet.

    Attributes:
        record: The photograph.
        reason: Why it is shown.
        wrong: Whether it is shown for an error.
    """

    record: Record
    reason: str
    wrong: bool = False


def chosen(records: Sequence[Record], pairs: Sequence[tuple[str, Record, Record]]) -> list[Cell]:
    """Choose the photographs of a split that are most worth a look.

    First come errors, then pairs side by side, then the smallest and largest foregrounds, then some that are evenly spread.

    Args:
        records: The photographs of the split.
        pairs: Reason, photograph and other photograph, the worst pairs first.
    """
    records = [record for record in records if record.digest is not None]  # others cannot be shown
    wrong = [
        Cell(record, record.findings[0].kind, wrong=True)
        for record in records
        if any(finding.level == 'error' for finding in record.findings)
    ]
    cells = wrong[:6]
    by_other = {id(other): (reason, one, other) for reason, one, other in reversed(pairs)}  # the worst pair of each
    for reason, one, other in list(by_other.values())[: -5 if len(wrong) > 1 else -7 : -1]:
        cells += [Cell(one, reason), Cell(other, 'the other one')]
    shown = {id(cell.record) for cell in cells}
    by_share = sorted((r for r in records if r.share is not None and id(r) not in shown), key=lambda r: r.share or 0.0)
    some = [record for record in by_share if record.share]
    ends = [(by_share[:2], 'smallest foreground'), (some[:3], 'smallest above 0'), (some[:-4:-1], 'largest foreground')]
    for group, reason in ends:
        fresh = [record for record in group if id(record) not in shown]
        shown |= {id(record) for record in fresh}
        cells += [Cell(record, reason) for record in fresh]
    rest = [record for record in records if id(record) not in shown]
    count = min(CELLS - len(cells), len(rest))
    return cells + [Cell(rest[i], '') for i in np.linspace(0, len(rest) - 1, max(count, 0)).astype(int)]


def draw(cells: Sequence[Cell]) -> np.ndarray:
    """Return the contact sheet, (height, width, 3), uint8, BGR."""
    pictures = [_picture(cell) for cell in cells]
    columns = min(COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    height, width = pictures[0].shape[:2]
    sheet = np.full((rows * height, columns * width, 3), _GREY, np.uint8)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = picture
    return sheet


def _picture(cell: Cell) -> np.ndarray:
    _, pixels = read_photograph(cell.record.part, cell.record.photograph)
    scale = min(_WIDTH / pixels.shape[1], _HEIGHT / pixels.shape[0])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    mask = _foreground(cell.record)
    if mask is not None:  # a mask of another size than its photograph is stretched over it
        small = paint(small, cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), _PALETTE)
    picture = np.full((_HEIGHT + 2 * _LINE, _WIDTH, 3), _GREY, np.uint8)
    left, top = (_WIDTH - size[0]) // 2, (_HEIGHT - size[1]) // 2
    picture[top : top + size[1], left : left + size[0]] = small
    share = '' if cell.record.share is None else f'{100 * cell.record.share:.2f} %  '
    name = cell.record.photograph.rpartition('/')[2]
    texts = (f'{share}{cell.reason}', name if len(name) <= 42 else f'...{name[-39:]}')
    for line, text in enumerate(texts, 1):
        shown = text.encode('ascii', 'replace').decode()  # the font has no other letters
        place = (4, _HEIGHT + line * _LINE - 5)
        colour = _RED if cell.wrong and line == 1 else _WHITE
        cv2.putText(picture, shown, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
    return picture


def _foreground(record: Record) -> np.ndarray | None:
    """Return where the mask is foreground, (height, width), 0 and 1; of more than two classes, where it is not class 0."""
    if record.info.get('seg_map_path') is None:
        return None
    try:
        label = record.part.reader.read(record.info, None)
    except InputError:
        return None
    if label is None:
        return None
    table = (label.table != 0) & (label.table != record.part.reader.ignored)
    return cv2.LUT(label.values, table.astype(np.uint8))
