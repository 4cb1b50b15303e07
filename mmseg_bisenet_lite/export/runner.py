"""The whole export: write each file, compare it with MMSegmentation, keep it only if it passes."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.registry import DATASETS

import mmseg_bisenet_lite
from mmseg_bisenet_lite.deploy import Metadata, Segmenter
from mmseg_bisenet_lite.export.formats import FORMATS, write
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.parity import Parity, Predictor, compare, mmseg_predictor
from mmseg_bisenet_lite.export.samples import Sample, Samples, samples_to_calibrate, samples_to_compare
from mmseg_bisenet_lite.models.decision import chosen_threshold
from mmseg_bisenet_lite.pretrained import checkpoint_file, sha256_of
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config
from mmseg_bisenet_lite.utils.checkout import commit
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error

# Is told what is being done and which share of it is done.
Progress = Callable[[str, float], None]

# Of the frames to quantise by, those that only decide which layers are spared, and the most of both kinds that are of use.
SELECTION_SHARE = 0.3
MOST_CALIBRATION = 150


@dataclass(frozen=True)
class Order:
    """What is wanted.

    Attributes:
        config: File.
        checkpoint: File.
        formats: Keys of ``FORMATS``.
        precisions: Of each format.
        out: Folder for the files; it is made if need be.
        size: (width, height) of the frames; ``None`` is any.
        batch: Frames in one run; ``None`` is any number.
        margin: Whether the files give the margin too.
        threshold: Of the margin, which the files give relative to it: ``None`` is 0, ``'best'`` the checkpoint's, or a number.
        frames: Where the frames for the comparison come from, see :func:`samples_to_compare`.
        limit: At most so many of them; ``None`` is all.
        device: That the files are run on for the comparison; ``None`` is the runtime's default.
    """

    config: str
    checkpoint: str
    formats: Sequence[str]
    precisions: Sequence[str]
    out: Path
    size: tuple[int, int] | None = None
    batch: int | None = 1
    margin: bool = False
    threshold: str | float | None = None
    frames: str = 'val'
    limit: int | None = None
    device: str | None = None


@dataclass
class Outcome:
    """What became of one file.

    Attributes:
        file: Its final name.
        metadata: What it says about itself.
        source: What frames it was compared on.
        kept: Layers that are in higher precision than the file's.
        runtime: What ran it, and what that computed in.
        parity: Its masks against MMSegmentation's; ``None`` if it could not even be run.
        error: Why it could not.
        predict: From a frame to the file's mask.
    """

    file: Path
    metadata: Metadata
    source: str
    kept: list[str] = field(default_factory=list)
    runtime: str = ''
    parity: Parity | None = None
    error: str | None = None
    predict: Predictor | None = None

    @property
    def failure(self) -> str | None:
        """Why there is no such file; ``None`` is good."""
        return self.error or (self.parity.failure if self.parity else None)


def export(order: Order, progress: Progress) -> list[Outcome]:
    """Write the files that are wanted and pass.

    Args:
        order: What is wanted.
        progress: Is kept informed.

    Raises:
        InputError: The config, the checkpoint or the frames are missing or do not fit each other. What concerns one file only,
            a library that is missing say, becomes its failure, and the others are made.
    """
    config = read_config(order.config)
    if order.threshold is not None:
        checkpoint_file(order.checkpoint)
        loaded = CheckpointLoader.load_checkpoint(order.checkpoint, 'cpu')
        order = replace(order, threshold=chosen_threshold(order.threshold, loaded, order.checkpoint))
    segmentor = load_segmentor(order.config, config, order.checkpoint, order.threshold)
    metadata = _metadata(order, _dataset_meta(order.checkpoint, config))
    samples = samples_to_compare(order.frames, config, order.size)[: order.limit]
    calibration = selection = None
    if 'int8' in order.precisions:
        quantised = samples_to_calibrate(order.frames, config, order.size)[:MOST_CALIBRATION]
        split = max(1, round(len(quantised) * SELECTION_SHARE))
        selection, calibration = quantised[:split], quantised[split:] or quantised
    predict = mmseg_predictor(segmentor)
    predict(samples[0].frame)  # a size that the network cannot take stops here

    with as_input_error(f'{order.out}: not a folder that files can be written into', OSError):
        order.out.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(prefix='.export-', dir=order.out)
    outcomes = []
    with temporary as folder:
        for number, (name, precision) in enumerate((n, p) for n in order.formats for p in order.precisions):
            progress(f'writing {name}, {precision}', number / (len(order.formats) * len(order.precisions)))
            own = replace(metadata, precision=precision)
            outcome = Outcome(order.out / file_name(order, name, precision), own, samples.source)
            _write(outcome, name, Job(segmentor, own, calibration, selection), Path(folder), order.device)
            outcomes.append(outcome)
        runnable = [(o.parity, o.predict) for o in outcomes if o.parity is not None and o.predict is not None]
        if runnable:
            compare(predict, runnable, _watched(samples, progress))
        for outcome in outcomes:
            outcome.predict = None  # closes the file
            _publish(Path(folder), outcome)
    return outcomes


def file_name(order: Order, name: str, precision: str) -> str:
    """``lite_hinge_vehicle-640x360-int8.onnx``, say."""
    size = '{}x{}'.format(*order.size) if order.size else 'dynamic'
    batch = '' if order.batch == 1 else f'-batch{order.batch or ""}'
    threshold = f'-threshold{order.threshold:g}' if isinstance(order.threshold, float) else ''
    return f'{Path(order.config).stem}-{size}{batch}{threshold}-{precision}{FORMATS[name]}'


def _dataset_meta(checkpoint: str, config: Config) -> dict:
    """Classes and palette, as the checkpoint has them from its training, or else as the config's data set does.

    MMSegmentation's ``init_model`` would take those of some data set with as many classes.

    Raises:
        InputError: The two do not have the same classes, or these are not two.
    """
    with as_input_error('the config names no val_dataloader with a data set', AttributeError, TypeError):
        dataset = config.val_dataloader.dataset
    expected = {**DATASETS.get(dataset.type).METAINFO, **dataset.get('metainfo', {})}
    found = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu').get('meta', {}).get('dataset_meta') or expected
    if len(found['classes']) != 2 or tuple(found['classes']) != tuple(expected['classes']):
        here, there = (', '.join(meta['classes']) for meta in (found, expected))
        raise InputError(
            f'{checkpoint}: it tells {here} apart, the config {there}: two classes, the same on both sides, are needed'
        )
    return found


def _metadata(order: Order, dataset_meta: dict) -> Metadata:
    return Metadata(
        classes=tuple(dataset_meta['classes']),
        palette=tuple((int(red), int(green), int(blue)) for red, green, blue in dataset_meta['palette']),
        size=order.size,
        batch=order.batch,
        precision='fp32',
        margin=order.margin,
        config=Path(order.config).name,
        commit=commit(),
        weights_sha256=sha256_of(order.checkpoint),
        version=mmseg_bisenet_lite.__version__,
        threshold=float(order.threshold or 0),
    )


def _write(outcome: Outcome, name: str, job: Job, folder: Path, device: str | None) -> None:
    """Write the file into a folder and load it."""
    temporary = folder / outcome.file.name
    try:
        outcome.kept = write(name, job, temporary)
        segmenter = Segmenter(temporary, device)
    except InputError as error:
        outcome.error = error.line.replace(str(temporary), temporary.name)
        return
    outcome.metadata = segmenter.metadata  # as the file has it, with what the rest of an int8 file runs in
    outcome.runtime, outcome.predict = f'{segmenter.runtime}, {segmenter.precision}', segmenter
    outcome.parity = Parity(job.metadata.precision)


def _watched(samples: Samples, progress: Progress) -> Iterator[Sample]:
    for number, sample in enumerate(samples):
        progress(f'comparing masks on the {samples.source}', number / len(samples))
        yield sample


def _publish(folder: Path, outcome: Outcome) -> None:
    """Give the file its final name if it passes; if the gate fails, leave none there, not even an earlier one.

    What is loaded, the ``.xml`` of OpenVINO's two files, goes first and comes last, so that it never lies beside other weights.
    """
    names = [outcome.file.name] + ([outcome.file.with_suffix('.bin').name] if outcome.file.suffix == '.xml' else [])
    if outcome.error is not None:
        return
    for name in names:
        with suppress(FileNotFoundError):  # what was there is kept, but no longer taken for this one
            outcome.file.with_name(name).replace(outcome.file.with_name(f'{name}.previous'))
    if outcome.failure is None:
        for name in reversed(names):
            (folder / name).replace(outcome.file.with_name(name))
            outcome.file.with_name(f'{name}.previous').unlink(missing_ok=True)
