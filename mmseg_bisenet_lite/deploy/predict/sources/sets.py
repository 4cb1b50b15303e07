"""From what a user names to sources of frames, whole or a shard of it."""

from collections.abc import Sequence
from itertools import chain, count

from mmseg_bisenet_lite.deploy.predict.frames import Source
from mmseg_bisenet_lite.deploy.predict.sources.finding import Inputs, find
from mmseg_bisenet_lite.deploy.predict.sources.images import Images
from mmseg_bisenet_lite.deploy.predict.sources.naming import Names
from mmseg_bisenet_lite.deploy.predict.sources.video import Video


def sources_of(texts: Sequence[str], recursive: bool = False, shard: tuple[int, int] = (1, 1)) -> list[Source]:
    """Return the sources that a user names; see :func:`~mmseg_bisenet_lite.deploy.predict.sources.find`.

    Args:
        texts: What the user wrote.
        recursive: Whether the folders below a folder are read too.
        shard: (number of the shard, from 1; number of shards).

    Raises:
        InputError: As for ``find``; or two inputs would have one output.
    """
    return sources_in(find(texts, recursive), shard)


def sources_in(inputs: Inputs, shard: tuple[int, int] = (1, 1), check_names: bool = True) -> list[Source]:
    """Return the sources of what was found: all images together, then each sequence, video and stream.

    Args:
        inputs: What was found.
        shard: (number of the shard, from 1; number of shards). A shard has every n-th of the files, sorted by their names;
            the names of its outputs are those that they have without shards. A video is never split.
        check_names: Whether it is an error if two inputs have one output.

    Raises:
        InputError: Two inputs would have one output, or a stream or a sequence would have to be split.
    """
    inputs.drop_repeated()
    numbered = [file for _, files in inputs.sequences for file in files]
    names = Names([*inputs.images, *numbered], inputs.videos, inputs.folders)
    if check_names:
        names.check()
    images, videos = inputs.images, inputs.videos
    if shard != (1, 1):
        inputs.check_shared('--shard')
        mine = set(sorted(chain(images, videos), key=names)[shard[0] - 1 :: shard[1]])
        images, videos = ([file for file in files if file in mine] for files in (images, videos))
    sources: list[Source] = []
    if images:
        sources.append(Images(images, names, 'images' if len(images) > 1 else str(images[0])))
    sources += [Images(files, names, text, moving=True) for text, files in inputs.sequences]
    sources += [Video(str(file), names(file), [file]) for file in videos]
    taken: set[str] = set()
    for text in inputs.streams:
        stream = Video(text)
        free = (f'{stream.folder}-{number}' for number in count(2))
        if stream.folder in taken:
            stream.folder = next(name for name in free if name not in taken)
        taken.add(stream.folder)
        sources.append(stream)
    return sources
