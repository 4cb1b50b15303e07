"""What an exported file says about itself."""

import json
import warnings
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mmseg_bisenet_lite.utils.errors import InputError

# Under this name the text lies in the file: ONNX's metadata_props, OpenVINO's rt_info. A TensorRT engine has room for one text
# only, its name, so there the text is the name.
KEY = 'mmseg_bisenet_lite'

# Of the text. It is raised when readers of today would misread a file; a new field alone does not raise it. Files without a
# number were written before there was one, and are of format 1.
FORMAT = 1

# Names of the graph's input and outputs.
FRAMES, MASK, MARGIN = 'frames', 'mask', 'margin'


@dataclass(frozen=True)
class Metadata:
    """What an exported file says about itself.

    Attributes:
        classes: Name of each value in the mask.
        palette: Colour of each value, (red, green, blue).
        size: (width, height) of the frames; ``None`` is any.
        batch: Frames in one run of the graph; ``None`` is any number.
        precision: ``'fp32'``, ``'fp16'``, ``'bf16'`` or ``'int8'``.
        rest: What the rest of an int8 file ran in when it was compared with MMSegmentation, where the runtime can choose.
        margin: Whether the graph gives the margin too.
        threshold: What the margin of the trained network has to exceed; the margin that the graph gives is less by it.
        config: File name of the config.
        commit: Of the checkout that exported it, if it was one.
        weights_sha256: Digest of the checkpoint file.
        version: Of this package.
        format: Of the text in the file, see ``FORMAT``.
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
    format: int = FORMAT

    def to_json(self) -> str:
        """The text for the file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None, file: Path) -> 'Metadata':
        """Read the text of a file; fields that a newer version of this package added are told in a warning.

        Raises:
            InputError: The file holds none of ours, or needs a newer version of this package.
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
