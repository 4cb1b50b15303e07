"""Run a network on an upload, and write what the page shows."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.deploy.demo.model import Model
from mmseg_bisenet_lite.deploy.demo.upload import check_size, check_video, read_upload
from mmseg_bisenet_lite.deploy.demo.views import Stabilise, views_of
from mmseg_bisenet_lite.deploy.demo.web_video import USUAL_RATE, WebVideo, size_in_browser
from mmseg_bisenet_lite.deploy.latency import Latency
from mmseg_bisenet_lite.deploy.predict.sources import Video
from mmseg_bisenet_lite.deploy.stabiliser import Stabiliser
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import is_picture, write_image
from mmseg_bisenet_lite.utils.sizes import size_text


@dataclass(frozen=True)
class Shown:
    """What the page shows of a run.

    Attributes:
        files: Pictures (PNG) or videos (WebM) by the names of their views.
        moving: Whether they are videos.
        text: What was measured, in sentences.
    """

    files: dict[str, Path]
    moving: bool
    text: str


def run(
    file: Path,
    model: Model,
    threshold: float,
    stabilise: bool,
    folder: Path,
    most_frames: int,
    report: ReportProgress = lambda label, done: None,
) -> Shown:
    """Run a network on an image or a video.

    Args:
        file: The upload.
        model: The network.
        threshold: Threshold of its margin, in score units.
        stabilise: Whether the masks of a video are stabilised.
        folder: Folder to write to.
        most_frames: Number of a video's frames to run on; the others are left out, and the text says so.
        report: Is told the progress.

    Raises:
        InputError: The upload is neither an image nor a video, is damaged or too large, or the network cannot do what is asked.
    """
    if is_picture(file):
        return _run_image(file, model, threshold, folder)
    check_video(file)
    return _run_video(file, model, threshold, Stabiliser() if stabilise else None, folder, most_frames, report)


def _run_image(file: Path, model: Model, threshold: float, folder: Path) -> Shown:
    frame = read_upload(file)
    views = views_of(frame, model, threshold)
    files = {name: folder / f'{name}.png' for name in views.pictures}
    for name, picture in views.pictures.items():
        write_image(files[name], picture)
    sentences = [
        f'{size_text((frame.shape[1], frame.shape[0]))} pixels',
        _about_fit(model, (frame.shape[1], frame.shape[0])),
        f'{_foreground(model)}: {100 * views.share:.1f} % of the image',
        f'Threshold: {threshold:.2f}',
        f'Network: {views.seconds * 1e3:.1f} ms',
        _about_confidence(model),
    ]
    return Shown(files, False, _join(sentences))


def _run_video(
    file: Path,
    model: Model,
    threshold: float,
    stabilise: Stabilise | None,
    folder: Path,
    most_frames: int,
    report: ReportProgress,
) -> Shown:
    source = Video(str(file), files=[file])
    source.label = file.name  # messages are for visitors, who know no paths of this machine
    rate = source.rate or USUAL_RATE
    total = min(most_frames, source.count or most_frames)
    latency, shares, problem = Latency(most_frames), [], ''
    size = (0, 0)
    with ExitStack() as stack:
        videos: dict[str, WebVideo] = {}
        try:
            for done, frame in enumerate(source):
                if done == most_frames:
                    problem = f'Only the first {most_frames} frames are done, which is the limit of this page (--max-frames)'
                    break
                size = frame.pixels.shape[1::-1]
                check_size(size, file.name)
                views = views_of(frame.pixels, model, threshold, stabilise)
                for name, picture in views.pictures.items():
                    if name not in videos:
                        videos[name] = stack.enter_context(WebVideo(folder / f'{name}.webm', rate))
                    videos[name].write(picture)
                latency.add(views.seconds)
                shares.append(views.share)
                report(f'Frame {done + 1}', min(1.0, (done + 1) / total))
        except InputError as error:  # what was done until then is shown
            if not shares:
                raise
            problem = f'Stopped early: {error.line}'
    median, p90 = (1e3 * latency.quantile(share) for share in (0.5, 0.9))
    stated = '' if source.rate else ' (a guess: the file states none)'
    sentences = [
        f'{len(shares)} frames of {size_text(size)} pixels, {rate:g} a second{stated}',
        _about_fit(model, size),
        '' if size_in_browser(size) == size else f'Shown in {size_text(size_in_browser(size))}',
        f'{_foreground(model)}: {100 * np.mean(shares):.1f} % of the pixels',
        f'Threshold: {threshold:.2f}',
        f'Network: median {median:.1f} ms, p90 {p90:.1f} ms a frame',
        problem,
        _about_confidence(model),
    ]
    return Shown({name: video.file for name, video in videos.items()}, True, _join(sentences))


def _foreground(model: Model) -> str:
    return f'Foreground ({model.segmenter.metadata.classes[1]})'


def _about_fit(model: Model, size: tuple[int, int]) -> str:
    fixed = model.segmenter.metadata.size
    return f'Letterboxed, since the file was exported for {size_text(fixed)}' if fixed not in (None, size) else ''


def _about_confidence(model: Model) -> str:
    return f'No confidence: {model.why_no_confidence}' if model.why_no_confidence else ''


def _join(sentences: list[str]) -> str:
    return ' '.join(f'{sentence}.' for sentence in sentences if sentence)
