"""What an export leaves beside its files: a report, for people and for programs, and the worst frame."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from mmseg_bisenet_lite.deploy import Metadata, paint
from mmseg_bisenet_lite.export.runner import Outcome
from mmseg_bisenet_lite.export.samples import Sample
from mmseg_bisenet_lite.utils.files import atomic_write
from mmseg_bisenet_lite.utils.tables import Table

COLUMNS = ['file', 'runtime', 'frames', 'agree', 'worst', 'mIoU', 'of MMSeg', 'lost', 'spared', 'verdict']


def table(outcomes: Sequence[Outcome]) -> Table:
    """A row for each file."""
    return Table('masks of the exported files against MMSegmentation', COLUMNS, [_cells(outcome) for outcome in outcomes])


def _cells(outcome: Outcome) -> list[str]:
    parity = outcome.parity
    verdict = 'passed' if outcome.failure is None else 'FAILED'
    if parity is None or not parity.frames:
        return [outcome.file.name, *['-'] * (len(COLUMNS) - 2), verdict]
    return [
        outcome.file.name,
        outcome.runtime,
        str(parity.frames),
        f'{parity.agreement:.3f}',
        f'{parity.worst_agreement:.3f}',
        f'{parity.exported.miou:.2f}',
        f'{parity.reference.miou:.2f}',
        f'{parity.lost:.2f}',
        str(len(outcome.kept)) if outcome.metadata.precision == 'int8' else '-',
        verdict,
    ]


def lines(outcomes: Sequence[Outcome]) -> list[str]:
    """What explains the table, and what failed."""
    found = []
    if any(outcome.parity is not None for outcome in outcomes):
        labelled = all(outcome.parity.labelled for outcome in outcomes if outcome.parity is not None)
        truth = (
            'ground truth' if labelled else "MMSegmentation's masks, for want of ground truth: every differing pixel is a loss"
        )
        found.append(f'Frames: {outcomes[0].source}. mIoU: in %, against {truth}.')
        found.append(
            'agree: % of the pixels that are decided as MMSegmentation decides them; worst: of the worst frame; '
            'spared: layers of an int8 file that are in higher precision.'
        )
    found += [f'{outcome.file.name}: in higher precision: {", ".join(outcome.kept)}' for outcome in outcomes if outcome.kept]
    found += [f'{outcome.file.name}: {outcome.failure}' for outcome in outcomes if outcome.failure]
    return found


def save(outcome: Outcome) -> list[Path]:
    """Write ``FILE.report.md``, ``FILE.report.json`` and ``FILE.worst.png``, which are there for a file that failed too.

    Returns:
        What was written.
    """
    markdown, record, picture = (
        outcome.file.with_name(outcome.file.name + ending) for ending in ('.report.md', '.report.json', '.worst.png')
    )
    worst = outcome.parity.worst if outcome.parity is not None else None
    text = [table([outcome]).markdown(), *(f'- {line}' for line in lines([outcome]))]
    if worst is not None:
        text.append(f'![the frame that agrees least, {worst[0].name}]({picture.name})')
    text.append('```json\n' + json.dumps(asdict(outcome.metadata), indent=1) + '\n```')
    with atomic_write(markdown) as temporary:
        temporary.write_text('\n\n'.join(text) + '\n', encoding='utf-8')
    content = {
        'file': outcome.file.name,
        'metadata': asdict(outcome.metadata),
        'runtime': outcome.runtime,
        'source': outcome.source,
        'higher_precision': outcome.kept,
        'failure': outcome.failure,
        'parity': outcome.parity.record() if outcome.parity is not None and outcome.parity.frames else None,
    }
    with atomic_write(record) as temporary:
        temporary.write_text(json.dumps(content, indent=1))
    if worst is None:
        picture.unlink(missing_ok=True)  # of an earlier file
        return [markdown, record]
    with atomic_write(picture) as temporary:
        _worst_frame(*worst, outcome.metadata).savefig(temporary, format='png')
    return [markdown, record, picture]


def _worst_frame(sample: Sample, reference: np.ndarray, exported: np.ndarray, metadata: Metadata) -> Figure:
    """The frame with its ground truth, where the masks differ, and both masks."""
    truth = sample.frame if sample.label is None else paint(sample.frame, sample.label, metadata.palette)
    differs = reference != exported
    differing = paint(sample.frame // 2, differs, ((0, 0, 0), (255, 255, 0)), opacity=1)
    pictures = {
        f'{sample.name}' + ('' if sample.label is None else ', ground truth'): truth,
        f'yellow: {int(differs.sum())} of {differs.size} pixels differ': differing,
        'MMSegmentation': paint(sample.frame, reference, metadata.palette),
        f'exported, {metadata.precision}': paint(sample.frame, exported, metadata.palette),
    }
    height, width = reference.shape
    figure = Figure(figsize=(10, 10 * height / width + 0.6), layout='constrained')
    for axes, (title, image) in zip(figure.subplots(2, 2).flat, pictures.items(), strict=True):
        axes.imshow(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return figure
