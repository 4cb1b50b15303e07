"""ExportedSegmentor: an exported file as a model of MMSegmentation."""

import re

import cv2
import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor

from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.deploy.runtimes import SUFFIXES
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.sizes import size_text


@MODELS.register_module()
class ExportedSegmentor(BaseModel):
    """A file that ``tools/export.py`` wrote, as a model of MMSegmentation: the test loop measures the file that will run.

    The images are BGR and not normalised, as the pipeline loads them. An image that does not have the file's size is
    letterboxed into it, and its mask has the image's size.

    Args:
        file: The exported file; see :class:`~mmseg_bisenet_lite.deploy.Segmenter` for this and the next four arguments.
        device: Device to run it on.
        threads: Number of CPU threads.
        precision: Precision to compute in.
        threshold: Threshold of the network's margin in place of the file's, for files with the margin.
        data_preprocessor: The config's, which MMEngine passes to every model. It is ignored: the file normalises by itself.

    Shape:
        - Input: ``(N, 3, H, W)``, whole numbers from 0 to 255.
        - Output: data samples with ``pred_sem_seg``, ``(1, H, W)``, at the size of the original image.

    Raises:
        InputError: As for ``Segmenter``; or the model is called to be trained.
    """

    def __init__(
        self,
        file: str,
        device: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        threshold: str | float | None = None,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=dict(type='SegDataPreProcessor'))  # it only makes a batch
        self.segmenter = Segmenter(file, device, threads, precision, resize=True, threshold=threshold)
        size = self.segmenter.metadata.size
        if size is not None:
            print_log(f'{file}: frames that are not {size_text(size)} are letterboxed, with their proportions', 'current')

    def forward(self, inputs: Tensor, data_samples: SampleList | None = None, mode: str = 'tensor') -> SampleList:
        """Predict the masks; see ``Shape``."""
        if mode != 'predict' or data_samples is None:
            raise InputError(
                'ExportedSegmentor: an exported file can only be tested; to train, use the config that it was exported from'
            )
        masks = self.segmenter(np.ascontiguousarray(inputs.permute(0, 2, 3, 1).to('cpu', torch.uint8).numpy()))
        for mask, sample in zip(masks, data_samples, strict=True):
            if mask.shape != tuple(sample.ori_shape):  # the pipeline has resized the image
                mask = cv2.resize(mask, sample.ori_shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
            sample.pred_sem_seg = PixelData(data=torch.from_numpy(mask)[None])
        return data_samples


@CheckpointLoader.register_scheme(prefixes=rf'(?i).*({"|".join(map(re.escape, SUFFIXES))})$')
def load_nothing(filename: str, map_location: object = None) -> dict:
    """Return an empty checkpoint to MMEngine: :class:`ExportedSegmentor` has read the exported file already."""
    return dict(state_dict={}, meta={})
