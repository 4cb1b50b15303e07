"""The inputs for writing one exported file."""

from dataclasses import dataclass

import torch
from mmseg.models import BaseSegmentor
from torch.export import ExportedProgram

from mmseg_bisenet_lite.deploy import Metadata
from mmseg_bisenet_lite.export.program import capture
from mmseg_bisenet_lite.export.quiet import quiet
from mmseg_bisenet_lite.export.samples import Samples
from mmseg_bisenet_lite.models.frame_to_mask import FrameToMask
from mmseg_bisenet_lite.models.region_means import replace_pools
from mmseg_bisenet_lite.utils.errors import as_input_error
from mmseg_bisenet_lite.utils.sizes import size_text

# Number type of the exported graph; int8 is quantised from float32.
DTYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16, 'int8': torch.float32}


@dataclass(frozen=True)
class Job:
    """The inputs for writing one exported file.

    Attributes:
        segmentor: The network in float32.
        metadata: Size, precision and other properties of the file, stored in it.
        calibration: Frames that give the ranges of the feature maps, for int8.
        selection: Other frames, which decide the layers to keep in higher precision, for int8.
    """

    segmentor: BaseSegmentor
    metadata: Metadata
    calibration: Samples | None = None
    selection: Samples | None = None

    def program(self, dtype: torch.dtype | None = None) -> ExportedProgram:
        """Capture the graph.

        Args:
            dtype: Number type of the graph; ``None`` is the file's.

        Raises:
            InputError: The network cannot be exported for frames of this size.
        """
        dtype = dtype or DTYPES[self.metadata.precision]
        size = self.metadata.size
        advice = 'try a width and height that are multiples of 8' if size else 'give a fixed --size'
        message = f'--size {size_text(size)}: the network cannot be exported for this size; {advice}'
        with quiet(), as_input_error(message, RuntimeError, ValueError):
            graph = FrameToMask(self.segmentor, dtype, self.metadata.margin, size)
            replace_pools(graph)
            return capture(graph, size, self.metadata.batch)
