"""BinaryMaskDataset: photographs and masks of one's own, without a vocabulary to write."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from mmengine import fileio
from mmengine.logging import print_log
from mmseg.registry import DATASETS

from mmseg_bisenet_lite.datasets.binary import BinarySegDataset
from mmseg_bisenet_lite.datasets.mask_meaning import GivenKeys, MaskMeaning
from mmseg_bisenet_lite.datasets.mask_search import UnclearMasksError, guess_meaning
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import LOSSLESS

_USUAL: dict[Any, str | None] = {0: 'background', 255: 'foreground'}  # replaced by what the masks hold


@DATASETS.register_module()
class BinaryMaskDataset(BinarySegDataset):
    """Photographs and masks of the same names, two classes.

    Masks are grey or have a palette or colours. Those of 0 and 1, of 0 and 255, or of black and white are understood; for
    others say what is what. This is found out from some of the masks when the data set is built, and told in the log. Each mask
    is checked when it is read, and all of them by ``LabelCheckHook``.

    Args:
        name: Name of the foreground's class, for logs, pictures and exported files.
        foreground: Values or colours of the foreground: a number from 0 to 255 (for a palette an index); a colour, as
            ``'#ff0000'``, as a name of CSS or as the tuple (red, green, blue); or a list of such. Where alpha matters,
            colours have it as their last part, such as ``'#00000000'`` for invisible pixels.
        background: The same for the background; ``'rest'`` is all that the others do not name. The default is 0, or black.
        ignore: The same for pixels without a label.
        seg_map_suffix: Suffix of the masks' names; the default is ``.png``, or the first of ``.bmp``, ``.tif``, ``.tiff``
            and ``.webp`` with files.
        metainfo: ``palette``: colours of background and foreground in pictures.
        **kwargs: See :class:`BinarySegDataset`; all but ``values`` and ``keep_classes``.

    Attributes:
        meaning: What the masks hold; ``None`` until the data set is loaded.
        faults: What is wrong with the masks from which it was found out; the first is the error of a ``strict`` data set.

    Raises:
        InputError: An option is wrong, it is not clear what the masks mean, or a mask holds something else; or as for
            :class:`BinarySegDataset`.
    """

    VOCABULARIES: ClassVar = dict.fromkeys(LOSSLESS, _USUAL)
    LAYOUT = (
        'the layout is DATA_ROOT/{train,val} for images and DATA_ROOT/{train,val}annot for masks, as PNG or another format '
        "without loss; for others set data_prefix's img_path and seg_map_path, and seg_map_suffix"
    )

    def __init__(
        self,
        name: str = 'foreground',
        foreground: Any = None,
        background: Any = None,
        ignore: Any = None,
        seg_map_suffix: str | None = None,
        metainfo: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if 'values' in kwargs:
            raise InputError("values= is BinarySegDataset's; give BinaryMaskDataset foreground=, background= and ignore=")
        if kwargs.get('keep_classes'):
            raise InputError('keep_classes=True: masks have two classes only; leave it out')
        self.given = GivenKeys(foreground, background, ignore)
        self.meaning: MaskMeaning | None = None
        self.faults: list[InputError] = []
        super().__init__(
            values=_USUAL if seg_map_suffix else None,
            seg_map_suffix=seg_map_suffix,
            metainfo=self.metainfo_of(dict(name=name, metainfo=metainfo)),
            **kwargs,
        )

    @classmethod
    def metainfo_of(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the metainfo of a data set from its config: the classes are background and ``name``.

        Raises:
            InputError: The name is not a text, is that of the background, or is not the one in ``metainfo``.
        """
        name = config.get('name', cls.METAINFO['classes'][1])
        metainfo = dict(config.get('metainfo') or {})
        if not isinstance(name, str) or not name.strip() or name.casefold() == 'background':
            raise InputError(f'name={name!r}: give the name of the foreground, such as crack')
        classes = ('background', name)
        if tuple(metainfo.get('classes') or classes) != classes and name != cls.METAINFO['classes'][1]:
            raise InputError(f'metainfo.classes={metainfo["classes"]!r} and name={name!r}: give one of them')
        return {**cls.METAINFO, 'classes': classes, **metainfo}

    def load_data_list(self) -> list[dict]:
        """Pair photographs with masks, and find out what the masks hold."""
        infos = super().load_data_list()
        if self.strict and self.faults:
            raise self.faults[0]
        return infos

    def get_data_info(self, idx: int) -> dict:
        """Return the sample's paths, the table that maps its values, and the colours of which these are the numbers."""
        info = super().get_data_info(idx)
        return info if self.meaning is None else {**info, 'label_colours': self.meaning.colours}

    def label_name(self, value: int) -> str:
        """Return a value of a label map for messages; for masks in colours the colour."""
        colours = None if self.meaning is None else self.meaning.colours
        return str(value) if colours is None else 'another colour' if value >= len(colours) else str(colours[value])

    def _table_of(self, ann_dir: str, suffix: str, used: Mapping[str, str], labels: Mapping[str, str]) -> np.ndarray:
        def guess(names: Mapping[str, str]) -> tuple[MaskMeaning, list[InputError]]:
            files = [f'{ann_dir}/{name}' for name in names.values()]
            return guess_meaning(ann_dir, files, self.given, lambda path: fileio.get(path, backend_args=self.backend_args))

        try:
            self.meaning, self.faults = guess(used)
        except UnclearMasksError:
            if len(used) == len(labels):
                raise
            self.meaning, self.faults = guess(labels)  # a list may name empty masks alone
        if not self.faults:
            print_log(f'masks in {ann_dir}: {self.meaning.told(self.metainfo["classes"][1])}', 'current')
        return self.meaning.table(self.ignore_index)
