"""Fix for the values of --cfg-options."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.compat.fixes import fix

_BRACKETS = {'(': ')', '[': ']'}


@fix(
    'option-values',
    broken=(
        '--cfg-options removes all spaces from a value and splits it at each comma, so the path of a file in "my data" or '
        '"a,b" becomes another path. The fix keeps spaces, quoted text, and paths that exist'
    ),
    versions='mmengine 0.10.7; onedl-mmengine 0.10.12',
    delete_when='mmengine keeps the spaces of a value and does not split quoted text',
)
def _keep_the_text_of_values() -> bool:
    from mmengine.config import DictAction

    single_value = DictAction._parse_int_float_bool

    def parse(text: str) -> Any:
        text = text.strip()
        inner = _unquoted(text)
        if inner is not None:
            # Quotes around a list reach a program from shells that do not remove them.
            return parse(inner) if inner[:1] in _BRACKETS and inner.endswith(_BRACKETS[inner[0]]) else inner
        if len(list(_split(text))) > 1 and not _is_path(text):
            return elements(text)
        if text[:1] in _BRACKETS and text.endswith(_BRACKETS[text[0]]):
            return tuple(elements(text[1:-1])) if text[0] == '(' else elements(text[1:-1])
        return single_value(text)

    def elements(text: str) -> list[Any]:
        parts = list(_split(text))
        return [parse(part) for part in (parts if parts[-1].strip() else parts[:-1])]

    DictAction._parse_iterable = staticmethod(parse)
    return True


def _unquoted(text: str) -> str | None:
    """Return what the quotes around a whole value enclose; ``None`` for other text, such as a list of quoted values."""
    if len(text) < 2 or text[0] not in '\'"' or text[-1] != text[0] or len(list(_split(text))) > 1:
        return None
    return text[1:-1]


def _split(text: str) -> Iterator[str]:
    """Split at the commas that are outside of quotes and brackets."""
    start, depth, quote = 0, 0, ''
    for place, character in enumerate(text):
        if quote:
            quote = '' if character == quote else quote
        elif character in '\'"' and not text[start:place].strip(' (['):  # an apostrophe within a word quotes nothing
            quote = character
        elif character in '([':
            depth += 1
        elif character in ')]':
            depth -= 1
        elif character == ',' and depth <= 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _is_path(text: str) -> bool:
    """Whether text with a comma is the path of something that exists, or of something new in a folder that exists."""
    return os.path.lexists(text) or (os.sep in text and os.path.lexists(Path(text).parent))
