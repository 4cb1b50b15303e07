"""Metadata of an exported file."""

import json
import warnings
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mmseg_bisenet_lite.utils.errors import InputError

# Key of the metadata in the file: in ONNX's metadata_props and OpenVINO's rt_info. A TensorRT engine has room for one text
# only, its name, so the metadata are the engine's name.
KEY = 'mmseg_bisenet_lite'

# Number of the metadata format. It is raised when today's readers would misread a file; a new field alone does not raise it.
# Files without a number are older than the number, and have format 1.
FORMAT = 1

# Names of the graph's input and its outputs.
FRAMES, MASK, MARGIN = 'frames', 'mask', 'margin'


@dataclass(frozen=True)
class Metadata:
    """Metadata of an exported file.

    Attributes:
        classes: Class name of each value in the mask.
        palette: Colour of each value, (red, green, blue).
        size: (width, height) of the frames; ``None`` is any size.
        batch: Number of frames in one run of the graph; ``None`` is any number.
        precision: ``'fp32'``, ``'fp16'``, ``'bf16'`` or ``'int8'``.
        margin: Whether the graph has the margin as a second output.
        config: File name of the config.
        commit: Commit of the checkout that exported the file, if it was a checkout.
        weights_sha256: SHA-256 digest of the checkpoint file.
        version: Version of this package.
        rest: Precision of the layers of an int8 file that are not int8, as it was compared with MMSegmentation; for runtimes
            that can choose.
        threshold: Threshold of the trained network's margin. It is subtracted from the margin that the graph gives.
        checked_on: Device on which the file was compared with MMSegmentation, such as ``'cuda:0'``; of a CPU its kind and its
            instructions for numbers of 8 bits, such as ``'x86_64 avx2 avx512f avx512_vnni'``.
        format: Number of the metadata format, see ``FORMAT``.
    """

    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    size: tuple[int, int] | None
    batch: int | None
    precision: str
    margin: bool
    config: str
    commit: str | None
    weights_sha256: str
    version: str
    rest: str | None = None
    threshold: float = 0.0
    checked_on: str | None = None
    format: int = FORMAT

    def to_json(self) -> str:
        """Return the metadata as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None, file: Path) -> 'Metadata':
        """Read the metadata of a file; warn of fields that a newer version of this package added.

        Args:
            text: Metadata in JSON; ``None`` if the file has none.
            file: The exported file, for error messages.

        Raises:
            InputError: The file has no metadata of this package, or needs a newer version of it.
        """
        try:
            content = json.loads(text or '')
            if not isinstance(content, dict) or not content.keys() >= {'classes', 'precision', 'weights_sha256'}:
                raise ValueError
            format = int(content.get('format', 1))
            if format > FORMAT:
                raise InputError(
                    f'{file}: has format {format}, written by mmseg-bisenet-lite {content.get("version")}; this version reads '
                    f'formats up to {FORMAT}: update mmseg-bisenet-lite'
                )
            unknown = content.keys() - {field.name for field in fields(cls)}
            if unknown:
                ignored = ', '.join(sorted(unknown))
                newer = f'a newer mmseg-bisenet-lite, {content.get("version")}'
                warnings.warn(f'{file}: written by {newer}; ignored unknown fields: {ignored}', stacklevel=2)
            known = {key: value for key, value in content.items() if key not in unknown}
            known['classes'] = tuple(known['classes'])
            known['palette'] = tuple(tuple(colour) for colour in known['palette'])
            known['size'] = known['size'] and tuple(known['size'])
            return cls(**known)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f'{file}: not a file that tools/export.py wrote, or a damaged one') from error
