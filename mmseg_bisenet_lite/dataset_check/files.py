"""Each photograph and its mask: read once, for all checks."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from mmengine import fileio

from mmseg_bisenet_lite.dataset_check.results import Finding
from mmseg_bisenet_lite.dataset_check.similar import Hash
from mmseg_bisenet_lite.dataset_check.splits import Part
from mmseg_bisenet_lite.datasets.decoding import decode
from mmseg_bisenet_lite.datasets.label_maps import LabelMap, MissingFileError
from mmseg_bisenet_lite.datasets.mask_keys import UnknownValuesError
from mmseg_bisenet_lite.datasets.transforms.loading import SizesDifferError
from mmseg_bisenet_lite.utils.errors import InputError, first_line


@dataclass(eq=False)
class Record:
    """What is known of a photograph and its mask once both are read.

    Attributes:
        split: Number of the split.
        part: Its data set.
        info: The sample.
        digest: Digest of the photograph's file; ``None`` if it cannot be read.
        mask_digest: Digest of the mask's pixels; ``None`` if there is none that can be read.
        hash: Perceptual hash of the photograph, 32 bytes; ``None`` if it cannot be read, or is not wanted.
        pixels: Numbers of pixels of the background and of the foreground; ``None`` unless there are two classes.
        findings: What is wrong.
    """

    split: int
    part: Part
    info: dict
    digest: bytes | None = None
    mask_digest: bytes | None = None
    hash: bytes | None = None
    pixels: tuple[int, int] | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def photograph(self) -> str:
        """File of the photograph."""
        return str(self.info['img_path'])

    @property
    def share(self) -> float | None:
        """Share of foreground in the labelled pixels, 0 to 1; ``None`` if there are none."""
        return self.pixels[1] / sum(self.pixels) if self.pixels and sum(self.pixels) else None


def read_photograph(part: Part, path: str) -> tuple[bytes, np.ndarray]:
    """Return the content of a photograph's file, and its pixels, (height, width, 3), uint8, BGR, upright.

    Raises:
        FileNotFoundError: The file is missing.
        InputError: It is not a whole image.
    """
    data = fileio.get(path, backend_args=part.backend_args)
    return data, decode(data, path)


def examine(part: Part, info: dict, number: int, name: str, perceptual: Hash | None) -> tuple[Record, LabelMap | None]:
    """Read a photograph and its mask; return what is known of them, and the mask if it is one.

    Args:
        part: The data set.
        info: The sample.
        number: Number of the split.
        name: Name of the split.
        perceptual: Function for the perceptual hash of a photograph; ``None`` if it is not wanted.
    """
    record = Record(number, part, info)

    def found(kind: str, file: str, detail: str) -> None:
        record.findings.append(Finding(kind, name, file, detail))

    photograph, mask = info['img_path'], info.get('seg_map_path')
    size = None
    try:
        data, pixels = read_photograph(part, photograph)
        size = pixels.shape[:2]
        record.digest = hashlib.blake2b(data, digest_size=16).digest()
        record.hash = perceptual(pixels) if perceptual else None
    except FileNotFoundError:
        found('photograph is missing', photograph, f'{photograph}: this photograph is missing')
    except (InputError, OSError) as error:
        found('photograph is unreadable', photograph, error.line if isinstance(error, InputError) else first_line(error))
    if mask is None:
        return record, None
    try:
        label = part.reader.read(info, size)
        if label is None:
            found('masks are not loaded', '', f'the pipeline of {part.kind} loads no masks, so they are not checked')
        elif label.stray:
            kind = 'masks of 0 and 255' if {*np.flatnonzero(label.pixels)} <= {0, 255} else 'values of no class'
            found(kind, mask, part.reader.stray_error(label).line)
    except MissingFileError as error:
        found('mask is missing', mask, error.line)
    except SizesDifferError as error:
        found('sizes differ', mask, error.line)
    except UnknownValuesError as error:
        found('values of no class', mask, error.line)
    except InputError as error:
        found('mask is unreadable', mask, error.line)
    if not label_is_good(record, mask) or label is None:
        return record, None
    record.mask_digest = hashlib.blake2b(label.values.tobytes(), digest_size=16).digest()
    if len(part.reader.classes) == 2:
        record.pixels = (int(label.pixels[label.table == 0].sum()), int(label.pixels[label.table == 1].sum()))
        for kind, absent in (('no foreground', 1), ('all foreground', 0)):
            if sum(record.pixels) and not record.pixels[absent]:
                found(kind, mask, f'{mask}: {kind} in {sum(record.pixels)} labelled pixels')
    return record, label


def label_is_good(record: Record, mask: str) -> bool:
    """Whether nothing was found wrong with the mask itself."""
    return not any(finding.file in (mask, '') for finding in record.findings)
