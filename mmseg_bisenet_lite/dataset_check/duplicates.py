"""Findings about photographs of which there is another one, in the same split or in an earlier one."""

from collections.abc import Iterator, Sequence

import numpy as np

from mmseg_bisenet_lite.dataset_check.files import Record
from mmseg_bisenet_lite.dataset_check.recordings import Comparison
from mmseg_bisenet_lite.dataset_check.results import Finding
from mmseg_bisenet_lite.dataset_check.similar import Neighbours, neighbours


def identical(records: Sequence[Record], names: Sequence[str]) -> Iterator[tuple[Finding, Record, Record]]:
    """Yield a finding for each photograph whose file is, byte by byte, that of an earlier one, with both records."""
    first: dict[bytes, Record] = {}
    for record in records:
        if record.digest is None:
            continue
        earlier = first.setdefault(record.digest, record)
        if earlier is record:
            continue
        kind = 'duplicate' if earlier.split == record.split else 'duplicate across splits'
        said = f'{record.photograph}: the same file as {earlier.photograph} of {names[earlier.split]}'
        yield Finding(kind, names[record.split], record.photograph, said, earlier.photograph), record, earlier
        masks = (record.mask_digest, earlier.mask_digest)
        if None not in masks and masks[0] != masks[1]:
            kind, said = 'duplicate with another mask', f'{said}, but with another mask'
            yield Finding(kind, names[record.split], record.photograph, said, earlier.photograph), record, earlier


def hashed(records: Sequence[Record], splits: int) -> tuple[list[Record], Neighbours]:
    """Return the photographs with a hash, and which of them are nearly the same."""
    known = [record for record in records if record.hash is not None]
    hashes = np.frombuffer(b''.join(record.hash or b'' for record in known), np.uint8).reshape(len(known), 32)
    return known, neighbours(hashes, np.array([record.split for record in known], int), splits)


def near(known: Sequence[Record], found: Neighbours, names: Sequence[str]) -> Iterator[tuple[Finding, Record, Record]]:
    """Yield a finding for each photograph that is nearly the same as one of an earlier split, or as another of its own."""
    for index, record in enumerate(known):
        for split in range(record.split + 1):
            if (nearest := int(found.nearest[index, split])) < 0:
                continue
            other = known[nearest]
            if other.digest == record.digest:  # told already
                continue
            kind = 'near-duplicate' if split == record.split else 'near-duplicate across splits'
            bits = int(found.bits[index, split])
            said = f'{record.photograph}: nearly the same as {other.photograph} of {names[split]} ({bits} of 256 bits differ)'
            yield Finding(kind, names[record.split], record.photograph, said, other.photograph), record, other


def same_place(compared: Sequence[Comparison], names: Sequence[str], enough: int) -> Iterator[tuple[Finding, Record, Record]]:
    """Yield a finding for each compared photograph that shows the place of one of an earlier split."""
    for each in compared:
        if each.features >= enough:
            one, other = each.record, each.other
            said = (
                f'{one.photograph}: shows the place of {other.photograph} of {names[other.split]} ({each.features} features in '
                'common)'
            )
            yield Finding('same recording across splits', names[one.split], one.photograph, said, other.photograph), one, other
