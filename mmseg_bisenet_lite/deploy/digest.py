"""The SHA-256 digest of an exported file, kept in the file itself, so that damage and mixed-up files are noticed on opening.

The metadata have a place of 64 digits for it, ``file_sha256``. The digest is that of the file's bytes with zeros in this place;
for OpenVINO the bytes of the ``.bin`` follow. A TensorRT engine cannot be changed once it is built, so the place follows it.
"""

import hashlib
import re
import warnings
from pathlib import Path

from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error

# The digits until the digest is known.
UNSEALED = '0' * 64

_PLACE = re.compile(rb'file_sha256(?:"|&quot;): (?:"|&quot;)([0-9a-f]{64})(?:"|&quot;)')
_AFTER_ENGINE = b'\n{"file_sha256": "%s"}' % UNSEALED.encode()


def seal(file: Path) -> None:
    """Write the digest into a file whose metadata have ``UNSEALED`` for it; see :func:`read_sealed`."""
    content = file.read_bytes()
    if file.suffix.lower() == '.engine':
        content += _AFTER_ENGINE
    start, end = _place(content, file) or (0, 0)
    if content[start:end] != UNSEALED.encode():
        raise ValueError(f'{file}: has no place for its digest')
    file.write_bytes(content[:start] + _digest(content, start, end, file).encode() + content[end:])


def read_sealed(file: Path) -> tuple[bytes, bool]:
    """Return the content of an exported file, and whether its digest was checked; older files have none.

    Raises:
        InputError: The file, or OpenVINO's ``.bin`` beside it, is not as it was exported; or it cannot be read.
    """
    with as_input_error(f'{file}: cannot be read', OSError):
        content = file.read_bytes()
        place = _place(content, file)
        if place is None:
            return content, False
        if content[slice(*place)].decode() != _digest(content, *place, file):
            beside = file.with_suffix('.bin').name
            files = f'{file.name} and {beside} do' if file.suffix.lower() == '.xml' else 'its SHA-256 digest does'
            raise InputError(
                f'{file}: {files} not fit: damaged, changed after the export, or from another export; copy or export it again'
            )
    return content[: -len(_AFTER_ENGINE)] if file.suffix.lower() == '.engine' else content, True


def check_sealed(sealed: bool, metadata: Metadata, file: Path) -> None:
    """Warn of a file from before there were digests.

    Args:
        sealed: What :func:`read_sealed` has returned.
        metadata: The file's metadata.
        file: The file, for the messages.

    Raises:
        InputError: The file had a digest when it was exported.
    """
    if metadata.file_sha256 is None:
        warnings.warn(f'{file}: has no digest, so damage is not noticed; export it again to get one', stacklevel=4)
    elif not sealed:
        raise InputError(f'{file}: its SHA-256 digest is missing, so the file is damaged; copy or export it again')


def _place(content: bytes, file: Path) -> tuple[int, int] | None:
    """Return where the digits are: the last place, since OpenVINO keeps a copy of ONNX's metadata before its own."""
    if file.suffix.lower() == '.engine':
        tail = len(content) - len(_AFTER_ENGINE)
        found = _PLACE.search(content, max(tail, 0))
        return found.span(1) if found and found.end() == len(content) - 1 else None
    places = list(_PLACE.finditer(content))
    return places[-1].span(1) if places else None


def _digest(content: bytes, start: int, end: int, file: Path) -> str:
    digest = hashlib.sha256(content[:start])
    digest.update(UNSEALED.encode())
    digest.update(memoryview(content)[end:])
    if file.suffix.lower() == '.xml':
        with file.with_suffix('.bin').open('rb') as weights:
            while part := weights.read(2**20):
                digest.update(part)
    return digest.hexdigest()
