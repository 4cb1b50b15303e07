"""The page, made with Gradio."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.deploy.demo.model import Model
from mmseg_bisenet_lite.deploy.demo.run import run
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require

LABELS = {
    'overlay': 'Overlay: the foreground is tinted',
    'mask': 'Mask: the foreground is white',
    'confidence': 'Confidence: dark 0 %, yellow 100 %',
}
WIDEST_THRESHOLD = 5.0  # score units; thresholds in use are between -1 and 2
MOST_WAITING = 16  # visitors
SECONDS_TO_KEEP = 3600  # files of a run
STREET = Path(__file__).parents[3] / '.github' / 'street.jpg'  # in a checkout only

INTRODUCTION = """# Segment an image or a short video
It is sent to the machine that serves this page and to nobody else, and is deleted there after about an hour.
Files may have up to {megabytes} MB; of a video the first {frames} frames are done."""


def build_page(models: dict[str, Model], results: Path, most_frames: int, most_megabytes: int) -> Any:
    """Return the page, a ``gradio.Blocks``.

    Args:
        models: The networks to choose from, by their names; the first is chosen.
        results: Folder in Gradio's cache, to write results to.
        most_frames: Number of frames of a video to run on.
        most_megabytes: Largest upload, to be told; the server refuses larger ones.
    """
    gr = require('gradio', 'gradio')
    first = next(iter(models.values()))
    running: set[str] = set()  # sessions whose run goes on

    # Gradio finds the request by its annotation.
    def stop(request: gr.Request) -> None:  # type: ignore[valid-type,name-defined]
        """End the visitor's run, after Stop or when the page is left."""
        running.discard(request.session_hash)

    def settings(name: str) -> list[Any]:
        """What the choice of a model changes."""
        model = models[name]
        return [_threshold(gr, model), _best(gr, model), _stabilise(gr, model), name]

    # Gradio finds the progress among the defaults.
    def show(
        request: gr.Request,  # type: ignore[valid-type,name-defined]
        upload: str | None,
        name: str,
        threshold: float,
        stabilise: bool,
        set_for: str,
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        """Run the chosen network on the upload."""
        if upload is None:
            return _answer(gr, 'Drop an image or a short video first.')
        running.add(request.session_hash)

        def report(what: str, done: float) -> None:
            if request.session_hash not in running:
                raise InputError('Stop was pressed')
            progress(done, desc=what)

        file = Path(upload)
        folder = Path(tempfile.mkdtemp(dir=results))
        try:
            model = models[name]
            # The slider rounds, and shows the last model's threshold for a moment when another one is chosen.
            chosen = threshold if model.has_margin and set_for == name else model.threshold
            shown = run(file, model, chosen, stabilise, folder, most_frames, report)
        except InputError as error:
            shutil.rmtree(folder)
            return _answer(gr, f'Error: {error.line}')
        finally:
            running.discard(request.session_hash)
        return _answer(gr, shown.text, shown.files, shown.moving)

    # Old files are removed every ten minutes, and all at the end.
    with gr.Blocks(title='BiSeNet lite', analytics_enabled=False, delete_cache=(600, SECONDS_TO_KEEP)) as page:
        gr.Markdown(INTRODUCTION.format(frames=most_frames, megabytes=most_megabytes))
        with gr.Row():
            with gr.Column(scale=1, min_width=320):
                upload = gr.File(label='Image or short video', file_types=['image', 'video'], height=140)
                model = gr.Dropdown(list(models), value=first.name, label='Model', interactive=True)
                threshold = _threshold(gr, first)
                set_for = gr.State(first.name)  # the model whose threshold the slider has
                best = _best(gr, first)
                stabilise = _stabilise(gr, first)
                with gr.Row():
                    button = gr.Button('Segment', variant='primary', min_width=120)
                    stop_button = gr.Button('Stop', min_width=120)
                if STREET.is_file():
                    gr.Examples([str(STREET)], upload, label='Example', cache_examples=False)
            with gr.Column(scale=3, min_width=320):
                text = gr.Textbox(label='Result', lines=2, interactive=False, placeholder='Nothing yet.')
                panels = _panels(gr, 'overlay')
                with gr.Row():
                    for name in ('mask', 'confidence'):
                        with gr.Column(min_width=280):
                            panels += _panels(gr, name)
        model.change(settings, model, [threshold, best, stabilise, set_for], api_visibility='private', show_progress='hidden')
        best.click(lambda name: models[name].best, model, threshold, api_visibility='private', show_progress='hidden')
        stop_button.click(stop, api_visibility='private', show_progress='hidden')
        page.unload(stop)
        gr.on(
            [button.click, upload.upload],
            show,
            [upload, model, threshold, stabilise, set_for],
            [text, *panels],
            concurrency_limit=1,
            api_visibility='private',
            show_progress_on=text,
        )
    return page.queue(max_size=MOST_WAITING)


def _threshold(gr: Any, model: Model) -> Any:
    return gr.Slider(
        minimum=min(-WIDEST_THRESHOLD, model.threshold),
        maximum=max(WIDEST_THRESHOLD, model.threshold),
        value=model.threshold,
        step=0.01,
        label='Threshold',
        info='Higher finds less, lower finds more.' if model.has_margin else 'Fixed: the file was exported without --margin.',
        interactive=model.has_margin,
        buttons=[],
    )


def _best(gr: Any, model: Model) -> Any:
    value = 'unknown' if model.best is None else f'{model.best:.2f}'
    return gr.Button(
        f'Best threshold on the validation set: {value}', interactive=model.best is not None and model.has_margin, size='sm'
    )


def _stabilise(gr: Any, model: Model) -> Any:
    label = 'Stabilise the masks of a video' if model.has_margin else 'Stabilise: needs a file exported with --margin'
    return gr.Checkbox(label=label, value=False, interactive=model.has_margin)


def _panels(gr: Any, name: str) -> list[Any]:
    """Return where a view is shown: one for images, one for videos."""
    return [
        gr.Image(label=LABELS[name], format='png', visible=False, interactive=False, buttons=['download', 'fullscreen']),
        gr.Video(label=LABELS[name], visible=False, interactive=False, autoplay=True, loop=True, buttons=['download']),
    ]


def _answer(gr: Any, text: str, files: dict[str, Path] | None = None, moving: bool = False) -> list[Any]:
    """Return the values of the text and of all panels; those without a file are hidden."""
    found = {name: str(file) for name, file in (files or {}).items()}
    values = [text]
    for name in LABELS:
        for of_videos in (False, True):
            value = found.get(name) if moving == of_videos else None
            values.append(gr.update(value=value, visible=value is not None))
    return values
