"""OperatingPoints: the precision and recall that a network had on val, for some thresholds of its margin."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmseg_bisenet_lite.utils.errors import InputError


@dataclass(frozen=True)
class OperatingPoints:
    """Points of the curve of precision over recall on val. What they promise holds for val, not for other streets.

    Attributes:
        threshold: Thresholds of the margin in score units, ascending.
        precision: Precision of the foreground above each threshold, 0 to 1, rounded down.
        recall: Recall of the foreground above each threshold, 0 to 1, rounded down.
    """

    threshold: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]

    def threshold_for(self, kind: str, share: float, name: object) -> float:
        """Return the threshold for a wanted recall or precision: of those that reach it, the one best for the other.

        Args:
            kind: ``'recall'`` or ``'precision'``.
            share: Least recall or precision, 0 to 1.
            name: What holds these points, such as a file, for error messages.

        Raises:
            InputError: No point reaches it.
        """
        reached: Sequence[float] = self.recall if kind == 'recall' else self.precision
        places = [place for place, value in enumerate(reached) if value >= share]
        if not places:
            raise InputError(
                f'{name}: {kind}={share:g} cannot be reached: on val its {kind} goes from {min(reached):g} to '
                f'{max(reached):g}; ask for less, or give a number'
            )
        return self.threshold[places[-1] if kind == 'recall' else places[0]]
