"""ExportedSegmentor: an exported file in the place of the network it was made from."""

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
    """A file of ``tools/export.py`` as a model of MMSegmentation, so that its test loop measures what will run.

    It takes the images as the pipeline loads them, in BGR and not normalised. Those of another size than the file's are resized
    for it, and their masks back.

    Args:
        file: See :class:`~mmseg_bisenet_lite.deploy.Segmenter`, as for the other arguments.
        device: Where to run it.
        threads: Of the CPU.
        precision: To compute in.
        data_preprocessor: The config's, which MMEngine gives to every model; what it says is in the file already.

    Shape:
        - Input: ``(N, 3, H, W)``, whole numbers from 0 to 255.
        - Output: data samples with ``pred_sem_seg``, ``(1, H, W)`` of the original image.

    Raises:
        InputError: See there; or it is to be trained.
    """

    def __init__(
        self,
        file: str,
        device: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=dict(type='SegDataPreProcessor'))  # which only makes a batch
        self.segmenter = Segmenter(file, device, threads, precision, resize=True)
        size = self.segmenter.metadata.size
        if size is not None:
            print_log(f'{file}: frames that are not {size_text(size)} are resized', 'current')

    def forward(self, inputs: Tensor, data_samples: SampleList | None = None, mode: str = 'tensor') -> SampleList:
        """See ``Shape``."""
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


@CheckpointLoader.register_scheme(prefixes=rf'.*({"|".join(map(re.escape, SUFFIXES))})$')
def load_nothing(filename: str, map_location: object = None) -> dict:
    """What MMEngine loads from an exported file into :class:`ExportedSegmentor`, which has read it already."""
    return dict(state_dict={}, meta={})
