"""Model: a network that the page offers, and what the page must know of it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.deploy.segmenter import Segmenter
from mmseg_bisenet_lite.pretrained.names import SCHEME, names, with_scheme
from mmseg_bisenet_lite.utils.errors import InputError

BLANK = (640, 360)  # (width, height) of the first frame of a network for any size


@dataclass(frozen=True, eq=False)
class Model:
    """A network that the page offers.

    Attributes:
        name: Name of the file or the weights; the whole path if two files have one name.
        segmenter: Runs the network.
    """

    name: str
    segmenter: Segmenter

    @property
    def best(self) -> float | None:
        """Threshold with the highest F1 on val, in score units; ``None`` if it is not known."""
        return self.segmenter.metadata.best_threshold

    @property
    def threshold(self) -> float:
        """Threshold by which the segmenter decides, in score units."""
        return self.segmenter.metadata.threshold

    @property
    def has_margin(self) -> bool:
        """Whether the network gives a margin: only then threshold, stabiliser and confidence can be chosen."""
        return self.segmenter.metadata.margin

    @cached_property
    def why_no_confidence(self) -> str | None:
        """Why the network gives no probabilities; ``None`` if it does."""
        if not self.has_margin:
            return 'the file was exported without the margin; export it with --margin'
        try:
            self.segmenter.metadata.probability(np.zeros(1, np.float32))
        except InputError as error:
            return error.line
        return None

    def warm_up(self) -> None:
        """Run the network once: the first call is slow, and a network that cannot run should not be offered."""
        width, height = self.segmenter.metadata.size or BLANK
        self.segmenter(np.zeros((height, width, 3), np.uint8))
        self.segmenter.latency.reset()


def open_models(
    texts: list[str], device: str | None = None, threads: int | None = None, precision: str | None = None
) -> dict[str, Model]:
    """Return models by their names, ready to run.

    Args:
        texts: Exported files, or ``bisenet-lite://NAME``; none of them are all weights that come with the package.
        device: As for ``Segmenter``, for each of them.
        threads: The same.
        precision: The same.

    Raises:
        InputError: As for ``Segmenter``.
    """
    models = {}
    for text in dict.fromkeys(texts or map(with_scheme, names())):
        threshold = 'best' if text.startswith(SCHEME) else None  # a file keeps what it was exported with
        name = Path(text).name
        segmenter = Segmenter(text, device, threads, precision, resize=True, threshold=threshold)
        model = Model(text if name in models else name, segmenter)
        model.warm_up()
        models[model.name] = model
    return models
