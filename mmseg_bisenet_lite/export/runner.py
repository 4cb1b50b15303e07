"""Runs an export: write each file, compare it with MMSegmentation, save it only if it passes."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.models import BaseSegmentor

from mmseg_bisenet_lite.deploy import Metadata, Segmenter
from mmseg_bisenet_lite.export.config import ExportConfig
from mmseg_bisenet_lite.export.formats import write
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.parity import Parity, compare, mask_of, mmseg_predictor
from mmseg_bisenet_lite.export.results import ExportResult
from mmseg_bisenet_lite.export.samples import Sample, Samples, samples_to_calibrate, samples_to_compare
from mmseg_bisenet_lite.models.decision import DecisionRecord, chosen_threshold, own_threshold
from mmseg_bisenet_lite.pretrained import checkpoint_file, sha256_of
from mmseg_bisenet_lite.pretrained.loading import dataset_meta_of, load_segmentor, read_config
from mmseg_bisenet_lite.utils.checkout import commit
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.cpu import cpu_features
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.scratch import scratch_folder
from mmseg_bisenet_lite.version import __version__

# Share of the frames for int8 that only select the layers to keep in higher precision; and the number of frames to use.
SELECTION_SHARE = 0.3
LEAST_CALIBRATION, MOST_CALIBRATION = 2, 150


def export(config: ExportConfig, progress: ReportProgress) -> list[ExportResult]:
    """Export a checkpoint, and save the files that pass the parity check.

    Args:
        config: The options of the export.
        progress: Called with the current step and the share that is done.

    Returns:
        A result for each file, passed or failed.

    Raises:
        InputError: The config, the checkpoint or the frames are missing or do not fit each other. An error of one file alone,
            such as a missing library, becomes the failure of that file, and the other files are still exported.
    """
    model_config = read_config(config.config)
    checkpoint_file(config.checkpoint)
    loaded = CheckpointLoader.load_checkpoint(config.checkpoint, 'cpu')
    if config.threshold is not None:
        config = replace(config, threshold=chosen_threshold(config.threshold, loaded, config.checkpoint))
    segmentor = load_segmentor(config.config, model_config, config.checkpoint, config.threshold)
    metadata = _metadata(config, segmentor, dataset_meta_of(loaded, config.checkpoint, model_config), loaded)
    samples = samples_to_compare(config.frames, model_config, config.size)[: config.limit]
    if not samples:
        raise InputError(f'--frames {config.frames}: {samples.source}: has no images; give val, renders or a folder of images')
    selection, calibration = _split(config, model_config, samples) if 'int8' in config.precision else (None, None)
    predict = mmseg_predictor(segmentor)
    predict(samples[0].frame)  # a size that the network cannot take stops here

    results = []
    with ExitStack() as stack:
        with as_input_error(f'--out {config.out}: cannot write into this folder; choose another one', OSError):
            config.out.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(scratch_folder(config.out, '.export-'))
        for number, (name, precision) in enumerate((n, p) for n in config.format for p in config.precision):
            progress(f'exporting {name}, {precision}', number / (len(config.format) * len(config.precision)))
            file_metadata = replace(metadata, precision=precision, checked_on=_checked_on(name, config.device))
            result = ExportResult(config.out / config.file_name(name, precision), file_metadata, samples.source)
            _write(result, name, Job(segmentor, file_metadata, calibration, selection), folder, config.device)
            results.append(result)
        runnable = [(r.parity, r.predict) for r in results if r.parity is not None and r.predict is not None]
        if runnable:
            compare(predict, runnable, _watched(samples, progress))
        for result in results:
            result.predict = None  # closes the file
            with as_input_error(f'--out {config.out}: cannot rename {result.file.name}; check its permissions', OSError):
                _publish(folder, result)
    return results


def _split(config: ExportConfig, model_config: Config, samples: Samples) -> tuple[Samples, Samples]:
    """Return the selection and the calibration frames for int8: no frame is in both, and none is in the parity check.

    Raises:
        InputError: There are too few frames.
    """
    found = samples_to_calibrate(config.frames, model_config, config.size).without(samples)[:MOST_CALIBRATION]
    if len(found) < LEAST_CALIBRATION:
        raise InputError(
            f'--precision int8: needs at least {LEAST_CALIBRATION} images of the train set that are not among --frames, '
            f'and finds {len(found)}; add images, or choose another --precision'
        )
    split = max(1, round(len(found) * SELECTION_SHARE))
    return found[:split], found[split:]


def _checked_on(format: str, device: str | None) -> str:
    if format == 'tensorrt':
        return device or 'cuda:0'
    return cpu_features() if device is None or device.lower() == 'cpu' else device


def _metadata(config: ExportConfig, segmentor: BaseSegmentor, dataset_meta: dict, loaded: dict) -> Metadata:
    threshold = own_threshold(segmentor.decode_head) if config.threshold is None else float(config.threshold)
    return Metadata(
        classes=tuple(dataset_meta['classes']),
        palette=tuple((int(red), int(green), int(blue)) for red, green, blue in dataset_meta['palette']),
        size=config.size,
        batch=config.batch,
        precision='fp32',
        margin=config.margin,
        config=Path(config.config).name,
        commit=commit(),
        weights_sha256=sha256_of(config.checkpoint),
        version=__version__,
        threshold=threshold,
        **vars(DecisionRecord.of(loaded, config.checkpoint)),
    )


def _write(result: ExportResult, name: str, job: Job, folder: Path, device: str | None) -> None:
    """Write the file into a temporary folder and load it there; an :class:`InputError` or a full disk becomes its error."""
    temporary = folder / result.file.name
    try:
        with as_input_error(
            f'{temporary.name}: cannot be written; is the disk of --out, or of temporary files, full?', OSError
        ):
            result.high_precision_layers = write(name, job, temporary)
        segmenter = Segmenter(temporary, device)
    except InputError as error:
        result.error = error.line.replace(str(temporary), temporary.name)
        return
    result.metadata = segmenter.metadata  # read from the file, with the precision of the non-int8 layers
    result.runtime, result.predict = f'{segmenter.runtime}, {segmenter.precision}', mask_of(segmenter)
    result.parity = Parity(job.metadata.precision)


def _watched(samples: Samples, progress: ReportProgress) -> Iterator[Sample]:
    for number, sample in enumerate(samples):
        progress(f'comparing masks, {samples.source}', number / len(samples))
        yield sample


def _publish(folder: Path, result: ExportResult) -> None:
    """Move the file to its final path if it passes; rename an earlier file there to ``FILE.previous`` if it does not.

    An earlier file never stays under a name that is taken for this result. Of OpenVINO's two files the ``.xml`` is moved away
    first and put in place last, so that it never lies beside other weights.
    """
    names = [result.file.name] + ([result.file.with_suffix('.bin').name] if result.file.suffix == '.xml' else [])
    for name in names:
        with suppress(FileNotFoundError):
            result.file.with_name(name).replace(result.file.with_name(f'{name}.previous'))
            result.previous = result.failure is not None
    if result.failure is None:
        for name in reversed(names):
            (folder / name).replace(result.file.with_name(name))
            result.file.with_name(f'{name}.previous').unlink(missing_ok=True)
