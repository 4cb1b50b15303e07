"""What a check has found, and its files."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mmseg_bisenet_lite.utils.files import write_text

ERROR, WARNING = 'error', 'warning'

# Quantile of the masks' shares of foreground -> its name.
QUANTILES = {0.0: 'least', 0.1: '10 %', 0.5: 'median', 0.9: '90 %', 1.0: 'most'}

# Kind of finding -> its level, in the order of the report. A training stops at errors, or learns something wrong from them.
LEVELS = {
    'data set cannot be built': ERROR,
    'masks are not understood': ERROR,
    'photograph is missing': ERROR,
    'mask is missing': ERROR,
    'photograph is unreadable': ERROR,
    'mask is unreadable': ERROR,
    'sizes differ': ERROR,
    'values of no class': ERROR,
    'masks of 0 and 255': ERROR,
    'class without a pixel': ERROR,
    'mask is not used': WARNING,
    'masks are not loaded': WARNING,
    'no foreground': WARNING,
    'all foreground': WARNING,
    'duplicate': WARNING,
    'duplicate across splits': WARNING,
    'duplicate with another mask': WARNING,
    'near-duplicate': WARNING,
    'near-duplicate across splits': WARNING,
    'same recording across splits': WARNING,
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be.

    Attributes:
        kind: Key of ``LEVELS``.
        split: Name of the split.
        file: File that it is about; empty if it is about the whole split.
        detail: What is wrong, in one line.
        other: The other file, of duplicates.
    """

    kind: str
    split: str
    file: str
    detail: str
    other: str = ''

    @property
    def level(self) -> str:
        """``'error'`` or ``'warning'``."""
        return LEVELS[self.kind]


@dataclass
class SplitResult:
    """What a split holds.

    Attributes:
        name: Its name, such as ``'train'``, or ``'val, test'`` if both are the same.
        datasets: Types of its data sets.
        photographs: Number of photographs that could be read.
        masks: Number of masks that could be read and fit their photographs.
        foreground: Share of foreground in the labelled pixels, 0 to 1; ``None`` unless there are two classes.
        quantiles: ``QUANTILES`` of the masks' shares of foreground.
        sequences: Number of sequences, in which each photograph is nearly the same as another one, such as frames of a video;
            a photograph that is like no other is one by itself. ``None`` if unknown.
    """

    name: str
    datasets: list[str] = field(default_factory=list)
    photographs: int = 0
    masks: int = 0
    foreground: float | None = None
    quantiles: list[float] = field(default_factory=list)
    sequences: int | None = None


@dataclass
class CheckResult:
    """What a check has found.

    Attributes:
        source: The config or folder.
        splits: What the splits hold.
        findings: All findings.
        statements: What they mean for the splits, in plain sentences.
    """

    source: str
    splits: list[SplitResult]
    findings: list[Finding]
    statements: list[str]

    @property
    def failed(self) -> bool:
        """Whether there is an error among the findings."""
        return any(finding.level == ERROR for finding in self.findings)

    def counts(self) -> Counter[tuple[str, str]]:
        """Return the number of findings of each kind and split."""
        return Counter((finding.kind, finding.split) for finding in self.findings)

    def save(self, folder: Path) -> list[str]:
        """Write ``findings.json`` and ``findings.csv``; return their names."""
        content = {
            'source': self.source,
            'splits': [asdict(split) for split in self.splits],
            'statements': self.statements,
            'findings': [{'level': finding.level, **asdict(finding)} for finding in self.findings],
        }
        write_text(folder / 'findings.json', json.dumps(content, indent=1, ensure_ascii=False) + '\n')
        write_text(folder / 'findings.csv', _csv(self.findings))
        return ['findings.json', 'findings.csv']


def _csv(findings: Sequence[Finding]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator='\n')
    rows.writerow(['level', 'kind', 'split', 'file', 'other', 'detail'])
    rows.writerows([f.level, f.kind, f.split, f.file, f.other, f.detail] for f in findings)
    return text.getvalue()
