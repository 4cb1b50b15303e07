"""The whole export: write each file, compare it with MMSegmentation, keep it only if it passes."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.registry import DATASETS

from mmseg_bisenet_lite.deploy import Metadata, Segmenter
from mmseg_bisenet_lite.export.config import ExportConfig
from mmseg_bisenet_lite.export.formats import write
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.parity import Parity, compare, mmseg_predictor
from mmseg_bisenet_lite.export.results import ExportResult
from mmseg_bisenet_lite.export.samples import Sample, Samples, samples_to_calibrate, samples_to_compare
from mmseg_bisenet_lite.models.decision import chosen_threshold
from mmseg_bisenet_lite.pretrained import checkpoint_file, sha256_of
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config
from mmseg_bisenet_lite.utils.checkout import commit
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.version import __version__

# Of the frames to quantise by, those that only decide which layers are spared, and the most of both kinds that are of use.
SELECTION_SHARE = 0.3
MOST_CALIBRATION = 150


def export(wanted: ExportConfig, progress: ReportProgress) -> list[ExportResult]:
    """Write the files that are wanted and pass.

    Args:
        wanted: What to export.
        progress: Is kept informed.

    Raises:
        InputError: The config, the checkpoint or the frames are missing or do not fit each other. What concerns one file only,
            a library that is missing say, becomes its failure, and the others are made.
    """
    config = read_config(wanted.config)
    if wanted.threshold is not None:
        checkpoint_file(wanted.checkpoint)
        loaded = CheckpointLoader.load_checkpoint(wanted.checkpoint, 'cpu')
        wanted = replace(wanted, threshold=chosen_threshold(wanted.threshold, loaded, wanted.checkpoint))
    segmentor = load_segmentor(wanted.config, config, wanted.checkpoint, wanted.threshold)
    metadata = _metadata(wanted, _dataset_meta(wanted.checkpoint, config))
    samples = samples_to_compare(wanted.frames, config, wanted.size)[: wanted.limit]
    calibration = selection = None
    if 'int8' in wanted.precision:
        quantised = samples_to_calibrate(wanted.frames, config, wanted.size)[:MOST_CALIBRATION]
        split = max(1, round(len(quantised) * SELECTION_SHARE))
        selection, calibration = quantised[:split], quantised[split:] or quantised
    predict = mmseg_predictor(segmentor)
    predict(samples[0].frame)  # a size that the network cannot take stops here

    with as_input_error(f'--out {wanted.out}: cannot write into this folder; choose another one', OSError):
        wanted.out.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(prefix='.export-', dir=wanted.out)
    results = []
    with temporary as folder:
        for number, (name, precision) in enumerate((n, p) for n in wanted.format for p in wanted.precision):
            progress(f'exporting {name}, {precision}', number / (len(wanted.format) * len(wanted.precision)))
            own = replace(metadata, precision=precision)
            result = ExportResult(wanted.out / wanted.file_name(name, precision), own, samples.source)
            _write(result, name, Job(segmentor, own, calibration, selection), Path(folder), wanted.device)
            results.append(result)
        runnable = [(o.parity, o.predict) for o in results if o.parity is not None and o.predict is not None]
        if runnable:
            compare(predict, runnable, _watched(samples, progress))
        for result in results:
            result.predict = None  # closes the file
            _publish(Path(folder), result)
    return results


def _dataset_meta(checkpoint: str, config: Config) -> dict:
    """Classes and palette, as the checkpoint has them from its training, or else as the config's data set does.

    MMSegmentation's ``init_model`` would take those of some data set with as many classes.

    Raises:
        InputError: The two do not have the same classes, or these are not two.
    """
    with as_input_error(f'{config.filename}: has no val_dataloader with a dataset; add one', AttributeError, TypeError):
        dataset = config.val_dataloader.dataset
    expected = {**DATASETS.get(dataset.type).METAINFO, **dataset.get('metainfo', {})}
    found = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu').get('meta', {}).get('dataset_meta') or expected
    if len(found['classes']) != 2 or tuple(found['classes']) != tuple(expected['classes']):
        here, there = (', '.join(meta['classes']) for meta in (found, expected))
        raise InputError(
            f'{checkpoint}: its classes are {here}, those of the config {there}; both must have the same two classes'
        )
    return found


def _metadata(wanted: ExportConfig, dataset_meta: dict) -> Metadata:
    return Metadata(
        classes=tuple(dataset_meta['classes']),
        palette=tuple((int(red), int(green), int(blue)) for red, green, blue in dataset_meta['palette']),
        size=wanted.size,
        batch=wanted.batch,
        precision='fp32',
        margin=wanted.margin,
        config=Path(wanted.config).name,
        commit=commit(),
        weights_sha256=sha256_of(wanted.checkpoint),
        version=__version__,
        threshold=float(wanted.threshold or 0),
    )


def _write(result: ExportResult, name: str, job: Job, folder: Path, device: str | None) -> None:
    """Write the file into a folder and load it."""
    temporary = folder / result.file.name
    try:
        result.high_precision_layers = write(name, job, temporary)
        segmenter = Segmenter(temporary, device)
    except InputError as error:
        result.error = error.line.replace(str(temporary), temporary.name)
        return
    result.metadata = segmenter.metadata  # as the file has it, with what the rest of an int8 file runs in
    result.runtime, result.predict = f'{segmenter.runtime}, {segmenter.precision}', segmenter
    result.parity = Parity(job.metadata.precision)


def _watched(samples: Samples, progress: ReportProgress) -> Iterator[Sample]:
    for number, sample in enumerate(samples):
        progress(f'comparing masks, {samples.source}', number / len(samples))
        yield sample


def _publish(folder: Path, result: ExportResult) -> None:
    """Give the file its final name if it passes; if the gate fails, leave none there, not even an earlier one.

    What is loaded, the ``.xml`` of OpenVINO's two files, goes first and comes last, so that it never lies beside other weights.
    """
    names = [result.file.name] + ([result.file.with_suffix('.bin').name] if result.file.suffix == '.xml' else [])
    if result.error is not None:
        return
    for name in names:
        with suppress(FileNotFoundError):  # what was there is kept, but no longer taken for this one
            result.file.with_name(name).replace(result.file.with_name(f'{name}.previous'))
    if result.failure is None:
        for name in reversed(names):
            (folder / name).replace(result.file.with_name(name))
            result.file.with_name(f'{name}.previous').unlink(missing_ok=True)
