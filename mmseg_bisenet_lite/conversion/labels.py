"""What the labels of annotations mean: foreground, background or ignored."""

from collections.abc import Mapping, Sequence

from mmseg_bisenet_lite.utils.errors import InputError

FOREGROUND, IGNORE = 255, 128  # values in the masks that are written; 0 is the background
REST = 'rest'  # as a label of the background: all that nothing else names

_BACKGROUND = ('background', '_background_')  # of CVAT and of labelme
_IGNORE = '__ignore__'  # of labelme


def value_of_each_label(
    labels: Mapping[str, int], foreground: Sequence[str], background: Sequence[str], ignore: Sequence[str], where: str
) -> dict[str, int]:
    """Return the value that each label has in the masks.

    Args:
        labels: The labels that there are, with the number of their shapes.
        foreground: Those of the foreground.
        background: Those of the background; ``'rest'`` is all others.
        ignore: Those of pixels that do not count.
        where: Name of the annotations, for errors.

    Raises:
        InputError: A name is no label, is given twice, or a label is not named: it may be a typing error for another one. Names
            of the background and of ignored pixels may be those of other exports, as long as all labels here are named.
    """
    given = [*foreground, *(label for label in background if label != REST), *ignore]
    there = ', '.join(f'{label} ({count})' for label, count in sorted(labels.items())) or 'none'
    if not foreground:
        raise InputError(f'{where}: say which labels are foreground with --foreground; there are {there}')
    # Where all labels must be named, a typing error leaves one that is not; where they need not be, it would pass unseen.
    needed = given if REST in background else foreground
    if unknown := [label for label in needed if label not in labels]:
        raise InputError(f'{where}: there is no label {", ".join(unknown)}; the labels are {there}')
    if len(set(given)) < len(given):
        raise InputError(f'--foreground, --background and --ignore: name each label once, of {there}')
    values = dict.fromkeys(foreground, FOREGROUND) | dict.fromkeys(ignore, IGNORE)
    others = [label for label in labels if label not in given and label not in (*_BACKGROUND, _IGNORE)]
    if others and REST not in background:
        raise InputError(
            f'{where}: is {", ".join(sorted(others))} foreground, background or neither? Name it in --foreground, --background '
            f"or --ignore; '--background {REST}' is all that nothing else names (the labels are {there})"
        )
    return {label: values.get(label, IGNORE if label == _IGNORE and label not in given else 0) for label in labels}
