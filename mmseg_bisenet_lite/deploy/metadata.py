"""Metadata of an exported file."""

import json
import warnings
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.utils import schema
from mmseg_bisenet_lite.utils.calibration import Calibration
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error, printable
from mmseg_bisenet_lite.utils.operating_points import OperatingPoints

# Key of the metadata in the file: in ONNX's metadata_props and OpenVINO's rt_info. A TensorRT engine has room for one text
# only, its name, so the metadata are the engine's name.
KEY = 'mmseg_bisenet_lite'

# Number of the metadata format. It is raised when today's readers would misread a file; a new field alone does not raise it.
# Files without a number are older than the number, and have format 1.
FORMAT = 1

# Names of the graph's input and its outputs.
FRAMES, MASK, MARGIN = 'frames', 'mask', 'margin'

_CHECKS: dict[str, schema.Check] = {
    'classes': schema.two_classes,
    'palette': schema.two_colours,
    'size': schema.optional(schema.size),
    'batch': schema.optional(schema.batch),
    'precision': schema.precision,
    'margin': schema.truth,
    'config': schema.text,
    'commit': schema.optional(schema.text),
    'weights_sha256': schema.digest,
    'version': schema.text,
    'rest': schema.optional(schema.one_of('fp32', 'fp16', 'bf16')),
    'threshold': schema.threshold,
    'checked_on': schema.optional(schema.text),
    'format': schema.whole(1, 2**62),
    'best_threshold': schema.optional(schema.threshold),
    'calibration': schema.optional(schema.calibration),
    'operating_points': schema.optional(schema.operating_points),
    'folded': schema.optional(schema.threshold),
    'file_sha256': schema.optional(schema.digest),
}


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
        best_threshold: Threshold of the trained network's margin with the highest F1 on val, if the checkpoint told it.
        calibration: From the trained network's margin to a probability, fitted on val, if the checkpoint told it.
        operating_points: Precision and recall on val for some thresholds of that margin, if the checkpoint told them.
        folded: Threshold that the end of the training folded into the network, if the checkpoint told one. The margin is the
            network's after it.
        file_sha256: Digest of the file, see :mod:`mmseg_bisenet_lite.deploy.digest`; older files have none.

    Raises:
        InputError: A value is not what its key needs, or a batch has more pixels than a machine holds; the bounds are in
            :mod:`mmseg_bisenet_lite.utils.schema`.
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
    best_threshold: float | None = None
    calibration: Calibration | None = None
    operating_points: OperatingPoints | None = None
    folded: float | None = None
    file_sha256: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Check each value."""
        schema.read(vars(self), _CHECKS, 'metadata')
        width, height = self.size or (1, 1)
        if (self.batch or 1) * width * height > schema.MOST_PIXELS:
            raise InputError(f'metadata: batch must be such that its frames have at most {schema.MOST_PIXELS} pixels')

    def probability(self, margin: np.ndarray) -> np.ndarray:
        """Return the probability that pixels are foreground, as calibrated on val for the network before export.

        Args:
            margin: The file's margin, float32, of any shape: :meth:`.Segmenter.with_margin` gives it.

        Returns:
            0 to 1, float32, in the shape of the margin.

        Raises:
            InputError: The file has no calibration.
        """
        if self.calibration is None:
            raise InputError(
                f'{self.config}: the file has no calibration, so it gives no probabilities; export it again, from best_*.pth '
                'of a training with ThresholdHook or from weights that tools/publish.py wrote'
            )
        return self.calibration.probability(margin + np.float32(self.threshold))

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
            InputError: The file has no metadata of this package, or needs a newer version of it, or its metadata are damaged.
        """
        damaged = f'{file}: not a file that tools/export.py wrote, or a damaged one'
        try:
            content = schema.parse_json(text or '')
        except schema.Lie as error:
            raise InputError(f'{damaged}: its metadata must be {error}') from error
        if not isinstance(content, dict) or not content.keys() >= {'classes', 'precision', 'weights_sha256'}:
            raise InputError(damaged)
        version = f'{content.get("version")!s:.40}'
        if schema.read(content, {'format': _CHECKS['format']}, damaged).get('format', 1) > FORMAT:
            raise InputError(
                f'{file}: has format {content["format"]}, written by mmseg-bisenet-lite {version}; this version reads '
                f'formats up to {FORMAT}: update mmseg-bisenet-lite'
            )
        missing = {each.name for each in fields(cls) if each.default is MISSING} - content.keys()
        unknown = content.keys() - _CHECKS.keys()
        if missing or (unknown and 'file_sha256' not in content):  # versions with further fields write a digest too
            raise InputError(damaged)
        values = schema.read(content, _CHECKS, damaged)
        if unknown:
            ignored = printable(f'{", ".join(sorted(unknown)):.200}')
            newer = printable(f'a newer mmseg-bisenet-lite, {version}')
            warnings.warn(f'{file}: written by {newer}; ignored unknown fields: {ignored}', stacklevel=2)
        with as_input_error(damaged, InputError):
            return cls(**values)
