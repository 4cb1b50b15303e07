"""Compares the masks of an exported file with MMSegmentation's."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from mmseg.models import BaseSegmentor
from mmseg.structures import SegDataSample

from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.export.samples import Sample
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.sizes import size_text

# Smallest share of pixels with the same class, in %.
LEAST_AGREEMENT = {'fp32': 99.9}
# Largest loss, in points of mIoU.
MOST_LOST = {'fp16': 0.3, 'bf16': 0.3, 'int8': 0.5}

_ADVICE = {
    'fp16': '--precision fp32, or bf16 with --format openvino',
    'bf16': '--precision fp32',
    'int8': '--precision fp16 or bf16, int8 in another --format, or more and more varied train images to calibrate on',
}

Predictor = Callable[[np.ndarray], np.ndarray]


@dataclass
class Overlap:
    """A confusion matrix of two classes.

    Attributes:
        counts: (2, 2), pixels by label (rows) and mask (columns); pixels with other labels are not counted.
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros((2, 2), np.int64))

    def add(self, label: np.ndarray, mask: np.ndarray) -> None:
        """Count the pixels of a frame.

        Args:
            label: Ground truth, (height, width), uint8.
            mask: Predicted mask, (height, width), uint8.
        """
        counted = label < 2
        self.counts += np.bincount(2 * label[counted].astype(np.int64) + mask[counted], minlength=4).reshape(2, 2)

    @property
    def iou(self) -> list[float]:
        """Intersection over union of background and foreground, in %; NaN for a class that neither label nor mask has."""
        hits = np.diag(self.counts)
        union = self.counts.sum(0) + self.counts.sum(1) - hits
        return [100 * float(hit) / int(all_) if all_ else float('nan') for hit, all_ in zip(hits, union, strict=True)]

    @property
    def miou(self) -> float:
        """Mean IoU of the classes that occur, in %."""
        values = [value for value in self.iou if not math.isnan(value)]
        return sum(values) / len(values) if values else math.nan


@dataclass
class Parity:
    """An exported file compared with MMSegmentation, over all frames so far.

    Attributes:
        precision: Precision of the file.
        frames: Number of frames.
        labelled: Whether all frames had ground truth. Where one has none, MMSegmentation's mask replaces it: then its mIoU is
            100, and every differing pixel counts as a loss.
        differing: Number of pixels whose class differs.
        pixels: Number of all pixels.
        reference: MMSegmentation's masks against the labels.
        exported: The file's masks against the labels.
        worst: The frame with the lowest agreement, with MMSegmentation's mask and the file's mask.
        worst_agreement: Agreement on that frame: its pixels with the same class, in %.
        error: Why the file could not be run on a frame; then the numbers are those of the frames before.
    """

    precision: str
    frames: int = 0
    labelled: bool = True
    differing: int = 0
    pixels: int = 0
    reference: Overlap = field(default_factory=Overlap)
    exported: Overlap = field(default_factory=Overlap)
    worst: tuple[Sample, np.ndarray, np.ndarray] | None = None
    worst_agreement: float = 101.0
    error: str | None = None

    def add(self, sample: Sample, reference: np.ndarray, exported: np.ndarray) -> None:
        """Add a frame.

        Args:
            sample: The frame and its label.
            reference: MMSegmentation's mask, (height, width), uint8.
            exported: The file's mask, (height, width), uint8.
        """
        differs = int((reference != exported).sum())
        label = reference if sample.label is None else sample.label
        self.labelled &= sample.label is not None
        self.frames += 1
        self.differing += differs
        self.pixels += reference.size
        self.reference.add(label, reference)
        self.exported.add(label, exported)
        agreement = 100 * (1 - differs / reference.size)
        if agreement < self.worst_agreement:
            self.worst, self.worst_agreement = (sample, reference, exported), agreement

    @property
    def agreement(self) -> float:
        """Pixels with the same class, in %."""
        return 100 * (1 - self.differing / self.pixels)

    @property
    def lost(self) -> float:
        """Loss of the file in points of mIoU; negative for a gain."""
        return self.reference.miou - self.exported.miou

    @property
    def failure(self) -> str | None:
        """Why the file fails the check; ``None`` if it passes."""
        if self.error is not None:
            return self.error
        if not self.frames:
            return 'there was no frame to compare; give --frames with at least one'
        if self.agreement < LEAST_AGREEMENT.get(self.precision, 0.0):
            least = LEAST_AGREEMENT[self.precision]
            return f'{self.agreement:.3f} % of the pixels agree with MMSegmentation, {least} % must; try another --format'
        if math.isnan(self.lost):
            return 'no pixel of the frames has label 0 or 1, so nothing was compared; check the labels of the val set'
        if self.lost > MOST_LOST.get(self.precision, 100.0):
            most = MOST_LOST[self.precision]
            return f'{self.lost:.2f} points of mIoU lost, at most {most} allowed; try {_ADVICE[self.precision]}'
        return None

    def record(self) -> dict[str, Any]:
        """Return the results as JSON values."""
        sides = {'mmsegmentation': self.reference, 'exported': self.exported}
        return {
            'frames': self.frames,
            'ground_truth': self.labelled,
            'agreement': self.agreement,
            'differing_pixels': self.differing,
            'pixels': self.pixels,
            **{name: dict(iou=side.iou, miou=side.miou) for name, side in sides.items()},
            'lost': self.lost,
            'worst_frame': self.worst[0].name if self.worst else None,
            'worst_agreement': self.worst_agreement,
            'failure': self.failure,
        }


def mmseg_predictor(segmentor: BaseSegmentor) -> Predictor:
    """Return a function from a frame to MMSegmentation's mask at the frame's size, with its data preprocessor and decision.

    The function raises an :class:`InputError` if the network cannot take frames of this size, or gives scores that are NaN or
    infinite, of which a mask says nothing.
    """

    @torch.no_grad()
    def predict(frame: np.ndarray) -> np.ndarray:
        shape = frame.shape[:2]
        sample = SegDataSample(metainfo=dict(img_shape=shape, ori_shape=shape, pad_shape=shape))
        data = dict(inputs=[torch.from_numpy(frame).permute(2, 0, 1)], data_samples=[sample])
        message = f'MMSegmentation cannot run this network on a frame of {size_text(shape[::-1])}; give another --size'
        with as_input_error(message, RuntimeError, AssertionError, IndexError, TypeError, ValueError):
            result = segmentor.test_step(data)[0]
        if not result.seg_logits.data.isfinite().all():
            raise InputError('the network gives scores that are NaN or infinite; give a checkpoint of a sound training')
        return result.pred_sem_seg.data[0].numpy().astype(np.uint8)

    return predict


def compare(reference: Predictor, exported: Sequence[tuple[Parity, Predictor]], samples: Iterable[Sample]) -> None:
    """Run MMSegmentation and the exported files on each frame, and add the masks to each :class:`Parity`.

    A file that cannot be run on a frame is left out from then on; its :class:`Parity` has the error.
    """
    for sample in samples:
        expected = reference(sample.frame)
        for parity, predict in exported:
            if parity.error is None:
                try:
                    parity.add(sample, expected, predict(sample.frame))
                except InputError as error:
                    parity.error = error.line


def mask_of(segmenter: Segmenter) -> Predictor:
    """Return a function from a frame to an exported file's mask.

    The function raises an :class:`InputError` if the file gives a margin that is NaN, which the mask shows as background.
    Of a file without the margin as an output nothing is known.
    """

    def predict(frame: np.ndarray) -> np.ndarray:
        if not segmenter.metadata.margin:
            return segmenter(frame)
        mask, margin = segmenter.with_margin(frame)
        if np.isnan(margin).any():
            raise InputError('the file gives margins that are NaN; try --precision fp32')
        return mask

    return predict
