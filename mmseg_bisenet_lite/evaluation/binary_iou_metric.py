"""BinaryIoUMetric: MMSegmentation's IoUMetric and the scores of the foreground."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger, print_log
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from prettytable import PrettyTable

from mmseg_bisenet_lite.datasets.metainfo import require_two_classes
from mmseg_bisenet_lite.evaluation.boundary import RATIO, boundary_areas
from mmseg_bisenet_lite.evaluation.calibration import Forecast, fit
from mmseg_bisenet_lite.evaluation.mask_folder import MaskFolder
from mmseg_bisenet_lite.evaluation.reliability import write_reliability
from mmseg_bisenet_lite.evaluation.sweep import BINS, THRESHOLDS, Sweep, histogram
from mmseg_bisenet_lite.models.decision import margin_of_logits
from mmseg_bisenet_lite.utils import schema
from mmseg_bisenet_lite.utils.calibration import Calibration
from mmseg_bisenet_lite.utils.errors import InputError, unmapped
from mmseg_bisenet_lite.utils.files import write_json


@METRICS.register_module()
class BinaryIoUMetric(IoUMetric):
    """``IoUMetric`` plus scores of the foreground: IoU, precision, recall, F1, Boundary IoU and a sweep of the threshold.

    It adds to the log, in percent:

    - ``fgIoU``, ``precision`` (0 if no pixel is predicted as foreground), ``recall`` and ``F1`` of the foreground, over all
      pixels of the data set that are not ignored;
    - ``boundaryIoU``: IoU of the foreground pixels near a contour or the image's edge, summed over the data set; ignored pixels
      count as background;
    - ``AP``: average precision, the area under the curve of precision over recall; and ``bestF1``, the highest F1 on the curve.

    - ``rawECE`` and ``ECE``: expected calibration error of the margin's sigmoid, and of the calibrated probability, which is
      cross-fitted: on each half of the images with the calibration of the other half, see :class:`.Forecast`.

    It also adds ``threshold``, the threshold of the margin that gives ``bestF1``, in score units. From ``AP`` on, these need
    ``seg_logits``, which an exported file may not give. In ``CheckpointHook``, ``save_best='fgIoU'`` needs ``rule='greater'``.

    Args:
        boundary_ratio: Distance from a contour within which pixels count, as a share of the image diagonal.
        curve: A ``.json`` file to write the curve to: ``threshold`` in score units, ``precision`` and ``recall`` from 0 to 1.
        reliability: A ``.md`` file to write tables of the calibration to; a reliability diagram goes to the ``.png`` beside it.
        **kwargs: Arguments of ``IoUMetric``.

    Attributes:
        decision: What the last evaluation found about the decision, for keys in ``schema.DECISION`` of a checkpoint's
            ``meta``: the best threshold, the calibration (if one can be fitted) and the operating points.

    Raises:
        InputError: The data set does not have two classes with the background first, a label is neither of them nor ignored, a
            class has no pixel, so that its scores would be those of the other class, or an argument is out of range.
    """

    def __init__(
        self, boundary_ratio: float = RATIO, curve: str | None = None, reliability: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 < boundary_ratio < 1:
            raise InputError(f'boundary_ratio={boundary_ratio!r}: give a share of the image diagonal, above 0 and below 1')
        self.boundary_ratio = boundary_ratio
        for key, file, suffix in (('curve', curve, '.json'), ('reliability', reliability, '.md')):
            if file is not None and (not file.endswith(suffix) or not Path(file).parent.is_dir()):
                raise InputError(f'{key}={file!r}: give a {suffix} file in a folder that exists')
        self.curve, self.reliability = curve, reliability
        self.decision: dict[str, Any] = {}
        self.masks = None if self.output_dir is None else MaskFolder(self.output_dir)

    @BaseMetric.dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        """Take the classes of the data set; the loops set them before the training."""
        require_two_classes(dataset_meta.get('classes') or ())
        self._dataset_meta = dataset_meta

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Add the counts of one batch."""
        areas = len(self.results)
        if self.masks is not None:
            for sample in data_samples:
                self.masks.prepare(sample)
        super().process(data_batch, data_samples)
        for i, sample in enumerate(data_samples if not self.format_only else ()):
            label = sample['gt_sem_seg']['data'].squeeze()
            prediction = sample['pred_sem_seg']['data'].squeeze().to(label)
            valid = label != self.ignore_index
            unknown = label[valid & (label != 0) & (label != 1)]
            if len(unknown):
                raise unmapped(int(unknown[0]), self.ignore_index, sample.get('seg_map_path') or '')
            confusion = [int(((prediction == p) & (label == y)).sum()) for y in (0, 1) for p in (0, 1)]  # TN FP FN TP
            found, wanted = (((mask == 1) & valid).cpu().numpy() for mask in (prediction, label))
            edges = boundary_areas(found, wanted, self.boundary_ratio)
            sparse = None
            if 'seg_logits' in sample:
                logits = sample['seg_logits']['data']
                counts = histogram(margin_of_logits(logits), label.to(logits.device), self.ignore_index).ravel()
                filled = np.flatnonzero(counts)  # only few bins are
                sparse = filled, counts[filled]
            self.results[areas + i] = (self.results[areas + i], np.array([*confusion, *edges]), sparse)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the host's metrics and the scores of the foreground."""
        if self.format_only:
            return dict(super().compute_metrics(results))
        if not results:
            raise InputError('the test set has no photographs; check data_root, data_prefix and what else chooses them')
        areas, counts, histograms = zip(*results, strict=True)
        tn, fp, fn, tp, edges_both, edges_any = (int(count) for count in sum(counts))
        background, name = self.dataset_meta['classes']
        if lacking := [kind for kind, pixels in ((background, tn + fp), (name, fn + tp)) if not pixels]:
            raise InputError(
                f'no pixel of the {len(results)} label maps is labelled {" or ".join(lacking)}, so there are no scores; give '
                "label maps that have both classes, or say what their values mean with type='BinarySegDataset' and values="
            )
        metrics = dict(super().compute_metrics(list(areas)))
        foreground = {
            'fgIoU': tp / (tp + fp + fn),
            'precision': tp / max(tp + fp, 1),
            'recall': tp / (tp + fn),
            'F1': 2 * tp / (2 * tp + fp + fn),
            'boundaryIoU': edges_both / max(edges_any, 1),
        }
        threshold, self.decision = {}, {}
        if all(each is not None for each in histograms):
            middle = len(histograms) // 2  # consecutive images may resemble each other, so the halves are not drawn at random
            halves = [_total(histograms[:middle]), _total(histograms[middle:])]
            counts = halves[0] + halves[1]
            sweep, calibration = Sweep.of(counts), fit(counts)
            foreground |= {'AP': sweep.average_precision, 'bestF1': float(sweep.f1[sweep.best])}
            raw, crossed = Forecast.of(counts, Calibration()), Forecast.cross_fitted(halves)
            foreground |= {'rawECE': raw.error} | ({} if crossed is None else {'ECE': crossed.error})
            threshold = {'threshold': round(float(THRESHOLDS[sweep.best]), 2)}
            self.decision = {schema.THRESHOLD: threshold['threshold'], schema.POINTS: asdict(sweep.operating_points())}
            if calibration is not None:
                self.decision[schema.CALIBRATION] = asdict(calibration)
            self._write(sweep)
            if self.reliability is not None:
                fitted = None if calibration is None else Forecast.of(counts, calibration)
                write_reliability(Path(self.reliability), raw, crossed, fitted)
        foreground = {key: round(100 * value, 2) for key, value in foreground.items()}
        table = PrettyTable(['Class', *foreground, *threshold])
        table.add_row([name, *foreground.values(), *threshold.values()])
        print_log('scores of the foreground:', MMLogger.get_current_instance())
        print_log('\n' + table.get_string(), logger=MMLogger.get_current_instance())
        return metrics | foreground | threshold

    def _write(self, sweep: Sweep) -> None:
        if self.curve is None:
            return
        columns = {'threshold': THRESHOLDS, 'precision': sweep.precision, 'recall': sweep.recall}
        rounded = {name: [round(float(value), 6) for value in column] for name, column in columns.items()}
        write_json(self.curve, rounded, indent=None)


def _total(histograms: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the sum of the images' histograms, ``(2, BINS)``, from their bins with pixels."""
    total = np.zeros(2 * BINS, np.int64)
    for filled, values in histograms:
        total[filled] += values
    return total.reshape(2, BINS)
