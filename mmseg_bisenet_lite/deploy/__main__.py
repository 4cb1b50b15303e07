"""Run weights or an exported file on frames: ``python -m mmseg_bisenet_lite.deploy FILE SOURCE --out DIR``."""

import argparse
import sys
from itertools import islice

from mmseg_bisenet_lite.deploy import Segmenter, paint
from mmseg_bisenet_lite.deploy.output_folder import OutputFolder
from mmseg_bisenet_lite.deploy.sources import Images, Source, source_of
from mmseg_bisenet_lite.utils.arguments import path, positive
from mmseg_bisenet_lite.utils.console import one_line_errors
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import named


def segment(segmenter: Segmenter, source: Source, out: OutputFolder | None, limit: int | None) -> tuple[int, int]:
    """Run a segmenter on the frames of a source, and write them painted; each image that fails is named on standard error.

    Returns:
        Number of frames that were tried, and of those that failed.

    Raises:
        InputError: The only image fails, a video ended too early or does not fit the file, or a painted frame cannot be
            written.
    """
    tried, failed = 0, 0
    for name, frame in islice(source, limit):
        tried += 1
        try:
            if isinstance(frame, InputError):
                raise frame
            mask = segmenter(frame)
        except InputError as error:
            if not isinstance(source, Images) or len(source.files) == 1:
                raise
            failed += 1
            print(error.line if error is frame else f'{name}: {error.line}', file=sys.stderr)
            continue
        if out:
            out.write(name, paint(frame, mask, segmenter.metadata.palette))
    return tried, failed


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description='Run weights or an exported file on images, a video or a camera.')
    parser.add_argument(
        'file',
        metavar='FILE',
        help='file that tools/export.py wrote; or bisenet-lite://NAME, weights that come with the package',
    )
    parser.add_argument('source', metavar='SOURCE', help='image, folder of images, video, stream, or number of a camera')
    parser.add_argument(
        '--out', type=path, metavar='DIR', help='folder to write the frames to, with the masks painted over them'
    )
    device = 'runtime device: cpu or cuda:0; for OpenVINO CPU, GPU or NPU (default: the CPU; for TensorRT the first GPU)'
    parser.add_argument('--device', metavar='NAME', help=device)
    parser.add_argument('--threads', type=positive, metavar='N', help="number of CPU threads (default: the runtime's choice)")
    precision = "fp32, fp16 or bf16, where the runtime can choose: OpenVINO and PyTorch (default: the file's; PyTorch: fp32)"
    parser.add_argument('--precision', metavar='P', help=precision)
    parser.add_argument('--limit', type=positive, metavar='N', help='stop after N frames')
    return parser.parse_args()


def main() -> None:
    """Run the file on the frames, and print the latency."""
    with one_line_errors():
        args = parse_args()
        segmenter = Segmenter(args.file, device=args.device, threads=args.threads, precision=args.precision, resize=True)
        print(f'{args.file}: {segmenter.runtime}, {segmenter.precision}; classes: {", ".join(segmenter.metadata.classes)}')
        source = source_of(args.source)
        if isinstance(source, Images) and source.left_out:
            print(f'{args.source}: left out, not images: {named([file.name for file in source.left_out])}', file=sys.stderr)
        out = OutputFolder(args.out, source) if args.out else None
        try:
            tried, failed = segment(segmenter, source, out, args.limit)
        finally:  # also after Ctrl-C
            if segmenter.latency.calls:
                print(segmenter.latency)
        if failed:
            raise InputError(f'{args.source}: {failed} of {tried} images failed; each is named above')


if __name__ == '__main__':
    main()
