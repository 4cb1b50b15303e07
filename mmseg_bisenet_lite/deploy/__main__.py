"""Run weights or an exported file on frames: ``python -m mmseg_bisenet_lite.deploy FILE SOURCE --out DIR``."""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.deploy import Segmenter, paint
from mmseg_bisenet_lite.deploy.images import is_image, read_image
from mmseg_bisenet_lite.utils.arguments import positive
from mmseg_bisenet_lite.utils.console import one_line_errors
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.library import require


def frames_of(source: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and frames, (height, width, 3), uint8 BGR, of an image, a folder of images, a video or a camera.

    Args:
        source: Path of an image, a folder or a video; or the number of a camera.

    Raises:
        InputError: The source does not exist, or it cannot be read.
    """
    path = Path(source)
    if path.is_dir() or is_image(path):
        files = sorted(filter(is_image, path.iterdir())) if path.is_dir() else [path]
        if not files:
            raise InputError(f'{source}: there are no images in this folder')
        yield from ((file.name, read_image(file)) for file in files)
        return
    if not source.isdecimal() and not path.is_file():
        raise InputError(f'{source}: give an image, a folder of images, a video or the number of a camera')
    video = require('cv2', 'opencv-python-headless').VideoCapture(int(source) if source.isdecimal() else source)
    if not video.isOpened():
        raise InputError(f'{source}: OpenCV cannot open it as a video or a camera')
    try:
        number = 0
        while (read := video.read())[0]:
            yield f'{number:06d}.png', read[1]
            number += 1
    finally:
        video.release()


def main() -> None:
    """Run the file on the frames, and print the latency."""
    parser = argparse.ArgumentParser(description='Run weights or an exported file on images, a video or a camera.')
    parser.add_argument(
        'file',
        metavar='FILE',
        help='file that tools/export.py wrote; or bisenet-lite://NAME, weights that come with the package',
    )
    parser.add_argument('source', metavar='SOURCE', help='image, folder of images, video, or number of a camera')
    parser.add_argument(
        '--out', type=Path, metavar='DIR', help='folder to write the frames to, with the masks painted over them'
    )
    device = 'runtime device: cpu or cuda:0; for OpenVINO CPU, GPU or NPU (default: the CPU; for TensorRT the first GPU)'
    parser.add_argument('--device', metavar='NAME', help=device)
    parser.add_argument('--threads', type=positive, metavar='N', help="number of CPU threads (default: the runtime's choice)")
    precision = "fp32, fp16 or bf16, where the runtime can choose: OpenVINO and PyTorch (default: the file's; PyTorch: fp32)"
    parser.add_argument('--precision', metavar='P', help=precision)
    parser.add_argument('--limit', type=positive, metavar='N', help='stop after N frames')
    args = parser.parse_args()
    with one_line_errors():
        segmenter = Segmenter(args.file, device=args.device, threads=args.threads, precision=args.precision, resize=True)
        print(f'{args.file}: {segmenter.runtime}, {segmenter.precision}; classes: {", ".join(segmenter.metadata.classes)}')
        if args.out:
            with as_input_error(f'--out {args.out}: this folder cannot be created or written to', OSError):
                args.out.mkdir(parents=True, exist_ok=True)
            if args.out.resolve() in (Path(args.source).resolve(), Path(args.source).resolve().parent):
                raise InputError(f'--out {args.out}: this folder holds the input frames; give another folder')
        for name, frame in islice(frames_of(args.source), args.limit):
            mask = segmenter(frame)
            if args.out:
                painted = paint(frame, mask, segmenter.metadata.palette)
                if not require('cv2', 'opencv-python-headless').imwrite(str(args.out / name), painted):
                    raise InputError(f'--out {args.out}: {name} cannot be written to this folder')
        print(segmenter.latency)


if __name__ == '__main__':
    with one_line_errors():
        main()
