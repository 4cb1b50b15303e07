"""Outputs: all that a run of predict writes."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.deploy.predict.frames import Result, Source
from mmseg_bisenet_lite.deploy.predict.outputs.contours import Contours
from mmseg_bisenet_lite.deploy.predict.outputs.ends import Ends
from mmseg_bisenet_lite.deploy.predict.outputs.folder import OutputFolder
from mmseg_bisenet_lite.deploy.predict.outputs.maps import Confidence, Margin
from mmseg_bisenet_lite.deploy.predict.outputs.mask import Mask
from mmseg_bisenet_lite.deploy.predict.outputs.overlay import Overlay
from mmseg_bisenet_lite.deploy.predict.outputs.summary import Summary
from mmseg_bisenet_lite.deploy.predict.outputs.video import Video, WebM
from mmseg_bisenet_lite.deploy.predict.outputs.writer import MaskValues, Setting, Writer
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import CannotEncodeError

# Name for --save -> what writes it.
KINDS: Mapping[str, type[Writer]] = {
    'mask': Mask,
    'overlay': Overlay,
    'margin': Margin,
    'confidence': Confidence,
    'contours': Contours,
    'video': Video,
    'webm': WebM,
}


class Outputs:
    """Writes what was asked for, and a summary, into a folder; ``with`` closes it.

    Attributes:
        together: Whether the frames of a moving source must come all together or not at all, as a video needs them.

    Args:
        folder: The folder.
        save: Keys of ``KINDS``.
        metadata: Classes and colours of the network.
        overwrite: Whether to write again what exists.
        sources: Where the frames come from.
        mask_values: Values of background and foreground in mask pictures.
        part: Name of the part of the inputs that this run has, such as ``'2of8'``. Runs of different parts may write into one
            folder at the same time.
        options: What the results depend on besides the frames: the network and its options, in words.

    Raises:
        InputError: There is no such kind, the folder cannot be used, or a kind cannot be made of these sources; or the folder
            has outputs of other inputs of the same names, or made with other options, and they may not be overwritten.
    """

    def __init__(
        self,
        folder: Path,
        save: Sequence[str],
        metadata: Metadata,
        overwrite: bool,
        sources: Sequence[Source],
        mask_values: MaskValues = '0/255',
        part: str | None = None,
        options: str = '',
    ) -> None:
        if unknown := [kind for kind in save if kind not in KINDS]:
            raise InputError(f'--save {unknown[0]}: there is no such output; give {", ".join(KINDS)}')
        setting = Setting(OutputFolder(folder, sources, KINDS), metadata, sources, mask_values, part, options)
        self._folder, self._overwrite = folder, overwrite
        with as_input_error(f'--out {folder}: its files cannot be read or written', OSError):
            # The summary is last: a frame in it has all its outputs, also if the process dies between two of them.
            summary = Summary(setting, save, (kind for kind in save if not issubclass(KINDS[kind], Video)))
            summary.read_earlier(overwrite)
            self._ends = Ends(setting)
            self._writers: list[Writer] = [*(KINDS[kind](setting) for kind in dict.fromkeys(save)), summary]
        self.together = any(isinstance(writer, Video) for writer in self._writers)

    def done(self, frame_name: str, source: Source) -> bool:
        """Whether all that was asked for exists of a frame; never of a live source, whose next frame is another one."""
        return not (self._overwrite or source.live) and all(writer.done(frame_name, source) for writer in self._writers)

    def length(self, source: Source) -> int | None:
        """Return the number of frames of a source: as an earlier run counted them to its end, or as the source states it."""
        return self._ends.length(source)

    def end(self, source: Source, frames: int) -> None:
        """Note that a video was read to its end, and its number of frames.

        Raises:
            InputError: It cannot be written.
        """
        with as_input_error(f'--out {self._folder}: cannot be written', OSError):
            self._ends.add(source, frames)

    def write(self, result: Result) -> None:
        """Write what was asked for of a frame; several threads may call this.

        The frames of a moving source come in their order, and one video after the other; live sources may be interleaved.

        Raises:
            CannotEncodeError: An output cannot be encoded; videos of a source that is not live have been removed.
            InputError: An output cannot be written, an input would be replaced, or a recording of a live source would be.
        """
        name, source = result.frame.name, result.frame.source
        if source.live and not self._overwrite and any(writer.done(name, source) for writer in self._writers):
            earlier = f'--out {self._folder}: there are outputs of {name} from an earlier run'
            raise InputError(f'{earlier}, and {source.label} cannot be continued; give another folder, or --overwrite')
        with as_input_error(f'--out {self._folder}: the outputs of {name} cannot be written', OSError):
            try:
                for writer in self._writers:
                    writer.write(result)
            except CannotEncodeError:
                for writer in self._writers:
                    if isinstance(writer, Video) and not source.live:
                        writer.drop(source)
                raise

    def close(self, complete: bool = True) -> None:
        """Finish the videos, the contours and the summary.

        Args:
            complete: Whether all frames were written. If not, the video of a source that has an end is removed; the rest stays,
                and a later run goes on from there.

        Raises:
            InputError: A file cannot be finished; the others are.
        """
        with ExitStack() as stack:
            stack.enter_context(as_input_error(f'--out {self._folder}: cannot be finished', OSError))
            stack.callback(self._ends.close)
            for writer in self._writers:
                stack.callback(writer.close, complete)

    def __enter__(self) -> 'Outputs':
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(complete=error is None)
