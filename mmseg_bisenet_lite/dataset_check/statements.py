"""What the findings mean for the splits, in plain sentences with their figures."""

from collections.abc import Iterator, Sequence

from mmseg_bisenet_lite.dataset_check.recordings import ENOUGH, Comparison
from mmseg_bisenet_lite.dataset_check.results import Finding, SplitResult

_MANY = 0.05  # share of a split from which a leak flatters its score


def about_sequences(split: SplitResult) -> Iterator[str]:
    """Say how many sequences a split has if its photographs are much alike."""
    if split.sequences is not None and split.sequences <= split.photographs / 2:
        yield (
            f'The {split.photographs} photographs of {split.name} are {split.sequences} '
            f'sequence{"s" if split.sequences > 1 else ""} of nearly the same ones, as successive frames of a video are, so '
            'they teach or prove less than their number says.'
        )


def about_duplicates(findings: Sequence[Finding], split: SplitResult, earlier: SplitResult, pairs: int) -> Iterator[str]:
    """Say how many photographs of a split have the same or nearly the same one in an earlier split.

    Args:
        findings: Those of both kinds about the two splits; a photograph may be among them twice.
        split: The split.
        earlier: The earlier split.
        pairs: Number of photographs that were compared.
    """
    if not pairs:
        return
    count = len({finding.file for finding in findings})
    share = f'{count} of {split.photographs} photographs of {split.name} have the same or nearly the same one in {earlier.name}'
    if not count:
        yield f'{share}.'
        return
    flattered = (
        f', so a score on {split.name} partly says how well they are remembered' if count > _MANY * split.photographs else ''
    )
    yield f'{share}, such as {findings[0].file} and {findings[0].other}{flattered}. Move them into one split.'


def about_recordings(compared: Sequence[Comparison], split: SplitResult, earlier: SplitResult) -> Iterator[str]:
    """Say how many photographs of a split show the place of one of an earlier split."""
    if not compared:
        return
    same = [each for each in compared if each.features >= ENOUGH]
    chance = sum(each.by_chance >= ENOUGH for each in compared)
    figures = f'{len(same)} of {len(compared)} compared photographs of {split.name} show the place of one of {earlier.name}'
    by_chance = f'of as many pairs drawn at random {chance} do'
    if 2 * chance > len(same):
        yield f'{figures}, but {by_chance}: nearly all photographs show one place, as of a fixed camera.'
    elif len(same) > _MANY * len(compared):
        best = max(same, key=lambda each: each.features)
        yield (
            f'{figures} ({by_chance}), such as {best.record.photograph} and {best.other.photograph}: the two splits are from '
            f'the same recording, so a score on {split.name} flatters the network; it will be worse in another place. Split by '
            'recordings, not by photographs.'
        )
    else:
        yield f'{figures} ({by_chance}): the two splits seem to be from different recordings.'
