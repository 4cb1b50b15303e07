"""Writes the report of an exported file: Markdown, JSON and a picture of the worst frame."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from mmseg_bisenet_lite.deploy import Metadata, paint
from mmseg_bisenet_lite.export.results import ExportResult
from mmseg_bisenet_lite.export.samples import Sample
from mmseg_bisenet_lite.utils.files import atomic_write, write_json, write_text
from mmseg_bisenet_lite.utils.tables import Table

COLUMNS = ['file', 'runtime', 'frames', 'agreement', 'worst frame', 'mIoU', 'MMSeg mIoU', 'loss', 'non-int8 layers', 'result']


def table(results: Sequence[ExportResult]) -> Table:
    """Return a table with a row for each file."""
    return Table('masks of the exported files compared with MMSegmentation', COLUMNS, [_cells(result) for result in results])


def _cells(result: ExportResult) -> list[str]:
    parity = result.parity
    verdict = 'passed' if result.failure is None else 'FAILED'
    if parity is None or not parity.frames:
        return [result.file.name, *['-'] * (len(COLUMNS) - 2), verdict]
    return [
        result.file.name,
        result.runtime,
        str(parity.frames),
        f'{parity.agreement:.3f}',
        f'{parity.worst_agreement:.3f}',
        f'{parity.exported.miou:.2f}',
        f'{parity.reference.miou:.2f}',
        f'{parity.lost:.2f}',
        str(len(result.high_precision_layers)) if result.metadata.precision == 'int8' else '-',
        verdict,
    ]


def lines(results: Sequence[ExportResult]) -> list[str]:
    """Return the lines that explain the table, and the failures."""
    sentences = []
    if any(result.parity is not None for result in results):
        labelled = all(result.parity.labelled for result in results if result.parity is not None)
        truth = (
            'against ground truth'
            if labelled
            else "against MMSegmentation's masks, as there is no ground truth: every differing pixel counts as a loss"
        )
        sentences.append(f'Frames: {results[0].source}. mIoU: in %, {truth}.')
        sentences.append(
            'agreement: % of the pixels with the same class as in MMSegmentation. worst frame: the lowest agreement. '
            "loss: points of mIoU below MMSegmentation's. non-int8 layers: layers of an int8 file kept in higher precision."
        )
    sentences += [
        f'{result.file.name}: layers kept in higher precision: {", ".join(result.high_precision_layers)}'
        for result in results
        if result.high_precision_layers
    ]
    sentences += [
        f'{result.file.name}: int8 was calibrated on renders, which suits no network trained on photographs; leave --frames out'
        for result in results
        if result.metadata.precision == 'int8' and result.source == 'renders'
    ]
    sentences += [f'{result.file.name}: {result.failure}' for result in results if result.failure]
    sentences += [
        f'{result.file.name}: the earlier file of this name is not this result; it is now {result.file.name}.previous'
        for result in results
        if result.previous
    ]
    return sentences


def save(result: ExportResult) -> list[Path]:
    """Write ``FILE.report.md``, ``FILE.report.json`` and ``FILE.worst.png``, also for a file that failed.

    Returns:
        The files written.
    """
    markdown, record, picture = (
        result.file.with_name(result.file.name + ending) for ending in ('.report.md', '.report.json', '.worst.png')
    )
    worst = result.parity.worst if result.parity is not None else None
    text = [table([result]).markdown(), *(f'- {line}' for line in lines([result]))]
    if worst is not None:
        text.append(f'![worst frame, {worst[0].name}]({picture.name})')
    text.append('```json\n' + json.dumps(asdict(result.metadata), indent=1) + '\n```')
    write_text(markdown, '\n\n'.join(text) + '\n')
    content = {
        'file': result.file.name,
        'metadata': asdict(result.metadata),
        'runtime': result.runtime,
        'source': result.source,
        'higher_precision': result.high_precision_layers,
        'failure': result.failure,
        'parity': result.parity.record() if result.parity is not None and result.parity.frames else None,
    }
    write_json(record, content)
    if worst is None:
        picture.unlink(missing_ok=True)  # left from an earlier export
        return [markdown, record]
    with atomic_write(picture) as temporary:
        _worst_frame(*worst, result.metadata).savefig(temporary, format='png')
    return [markdown, record, picture]


def _worst_frame(sample: Sample, reference: np.ndarray, exported: np.ndarray, metadata: Metadata) -> Figure:
    """Draw the frame with its ground truth, the differing pixels, and both masks."""
    truth = sample.frame if sample.label is None else paint(sample.frame, sample.label, metadata.palette)
    differs = reference != exported
    differing = paint(sample.frame // 2, differs, ((0, 0, 0), (255, 255, 0)), opacity=1)
    pictures = {
        f'{sample.name}' + ('' if sample.label is None else ', ground truth'): truth,
        f'{int(differs.sum())} of {differs.size} pixels differ (yellow)': differing,
        'MMSegmentation': paint(sample.frame, reference, metadata.palette),
        f'exported file, {metadata.precision}': paint(sample.frame, exported, metadata.palette),
    }
    height, width = reference.shape
    figure = Figure(figsize=(10, 10 * height / width + 0.6), layout='constrained')
    for axes, (title, image) in zip(figure.subplots(2, 2).flat, pictures.items(), strict=True):
        axes.imshow(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return figure
