"""Contours: the connected regions of the foreground, as COCO JSON."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from mmseg_bisenet_lite.deploy.predict.frames import Frame, Result, Source
from mmseg_bisenet_lite.deploy.predict.outputs.regions import regions
from mmseg_bisenet_lite.deploy.predict.outputs.writer import Setting, Writer
from mmseg_bisenet_lite.utils.files import atomic_write
from mmseg_bisenet_lite.utils.images import SUFFIXES

_CATEGORY = 1  # COCO's categories begin at 1
_START = '{"name":'  # of each line
_DECODER = json.JSONDecoder()


class Contours(Writer):
    """Writes one annotation for each connected region of the foreground.

    While frames are done, they are appended to a hidden file of lines beside it, by which a later run goes on too.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._file = setting.folder.file(setting.table('contours', '.json'))
        self._rows = setting.rows('.contours', '.jsonl', _parse)

    def done(self, name: str, source: Source) -> bool:
        """Whether a frame has been done by an earlier run."""
        return name in self._rows

    def write(self, result: Result) -> None:
        """Write the regions of a result to the file of lines."""
        height, width = result.mask.shape
        image = {'file_name': _file_name(result.frame), 'height': height, 'width': width}
        row = {'name': result.frame.name, 'image': image, 'regions': regions(result.mask == 1)}  # the name first, see _parse
        self._rows.append(result.frame.name, json.dumps(row, separators=(',', ':')) + '\n')

    def close(self, complete: bool) -> None:
        """Write the COCO JSON of all frames that are done."""
        self._rows.close()
        with atomic_write(self._file) as temporary, temporary.open('w', encoding='utf-8') as opened:
            self._assemble(opened)

    def _assemble(self, opened: TextIO) -> None:
        category = {'id': _CATEGORY, 'name': self.setting.metadata.classes[1], 'supercategory': ''}
        opened.write(f'{{"info": {{}}, "licenses": [], "categories": {json.dumps([category])},\n"images": [')
        _write_list(opened, ({'id': number, **row['image']} for number, row in self._numbered()))
        opened.write('],\n"annotations": [')
        annotations = ((number, region) for number, row in self._numbered() for region in row['regions'])
        _write_list(opened, (_annotation(*each) for each in enumerate(annotations, 1)))
        opened.write(']}\n')

    def _numbered(self) -> Iterator[tuple[int, dict[str, Any]]]:
        return enumerate(map(json.loads, self._rows), 1)


def _annotation(number: int, region: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    image, content = region
    return {'id': number, 'image_id': image, 'category_id': _CATEGORY, 'iscrowd': 0, **content}


def _write_list(opened: TextIO, items: Iterable[object]) -> None:
    """Write the items of a JSON list, one a line."""
    for number, item in enumerate(items):
        opened.write((',\n' if number else '\n') + json.dumps(item, separators=(',', ':')))


def _file_name(frame: Frame) -> str:
    """Return the path of an image as its outputs mirror it, with its suffix; of a video the name of the frame's outputs."""
    files = frame.source.files
    file = files[frame.number] if frame.number < len(files) else Path()
    if file.suffix.lower() not in SUFFIXES or file.name == frame.name.rpartition('/')[2]:
        return frame.name
    return f'{frame.name}{file.suffix}'


def _parse(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        yield _DECODER.raw_decode(line, len(_START))[0], line
