"""What an exported file says about itself."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mmseg_bisenet_lite.utils.errors import InputError

# Under this name the text lies in the file: ONNX's metadata_props, OpenVINO's rt_info, the extra files of a .pt2. A TensorRT
# engine has room for one text only, its name, so there the text is the name.
KEY = 'mmseg_bisenet_lite'

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

    def to_json(self) -> str:
        """The text for the file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None, file: Path) -> 'Metadata':
        """Read the text of a file.

        Raises:
            InputError: The file holds none of ours.
        """
        try:
            content = json.loads(text or '')
            if not isinstance(content, dict) or content.keys() != {field.name for field in fields(cls)}:
                raise ValueError
            content['classes'] = tuple(content['classes'])
            content['palette'] = tuple(tuple(colour) for colour in content['palette'])
            content['size'] = content['size'] and tuple(content['size'])
            return cls(**content)
        except (TypeError, ValueError) as error:
            raise InputError(f'{file}: not a file of tools/export.py, or of another version of it') from error
