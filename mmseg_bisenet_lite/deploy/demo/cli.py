"""Command line of the page."""

import argparse

from mmseg_bisenet_lite.deploy.demo.model import open_models
from mmseg_bisenet_lite.deploy.demo.server import check_address, serve
from mmseg_bisenet_lite.utils.arguments import add_runtime, positive
from mmseg_bisenet_lite.utils.console import one_line_errors
from mmseg_bisenet_lite.utils.library import require


def port(text: str) -> int:
    """``argparse`` type of a port."""
    number = positive(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f'{text!r} is not a port from 1 to 65535')
    return number


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description='Try networks on images and short videos, in a browser.')
    model = 'file that tools/export.py wrote, or bisenet-lite://NAME (default: all weights that come with the package)'
    parser.add_argument('models', metavar='MODEL', nargs='*', help=model)
    parser.add_argument(
        '--host', default='127.0.0.1', help='address to listen on (default: %(default)s, this machine only)', metavar='ADDRESS'
    )
    parser.add_argument('--port', type=port, default=7860, metavar='N', help='port to listen on (default: %(default)s)')
    frames = 'run on the first N frames of a video (default: %(default)s)'
    parser.add_argument('--max-frames', type=positive, default=300, metavar='N', help=frames)
    upload = 'largest upload in MB (default: %(default)s)'
    parser.add_argument('--max-upload', type=positive, default=100, metavar='MB', help=upload)
    add_runtime(parser.add_argument)
    return parser.parse_args()


def main() -> None:
    """Open the networks, and serve the page."""
    with one_line_errors():
        args = parse_args()
        check_address(args.host, args.port)  # before the networks are loaded, which takes seconds
        require('cv2', 'opencv-python-headless')
        models = open_models(args.models, args.device, args.threads, args.precision)
        for model in models.values():
            segmenter = model.segmenter
            print(f'{model.name}: {segmenter.runtime}, {segmenter.precision}; classes: {", ".join(segmenter.metadata.classes)}')
        serve(models, args.host, args.port, args.max_frames, args.max_upload)
