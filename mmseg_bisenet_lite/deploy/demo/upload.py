"""What a visitor uploads: read as an image or as a video, and as nothing else."""

from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.deploy.segmenter import MOST_PIXELS_OF_A_FRAME
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import check_image, decode_checked
from mmseg_bisenet_lite.utils.sizes import size_text

# FFmpeg would also open lists of other files and addresses, such as HLS playlists, whatever their suffix. With these options,
# in the environment variable that OpenCV reads, it opens videos only, and nothing that they refer to.
FFMPEG_OPTIONS_NAME = 'OPENCV_FFMPEG_CAPTURE_OPTIONS'
FFMPEG_OPTIONS = 'format_whitelist;mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,asf|protocol_whitelist;file'


def read_upload(file: Path) -> np.ndarray:
    """Return an uploaded image, upright, as (height, width, 3), uint8, BGR.

    Raises:
        InputError: As for :func:`~mmseg_bisenet_lite.utils.images.read_image`; or it has more pixels than a network takes.
    """
    with as_input_error(f'{file.name}: cannot be read', OSError):
        data = file.read_bytes()
    header = check_image(data, file.name)
    check_size((header.width, header.height), file.name)  # before a decoder needs memory for them
    return decode_checked(data, header, file.name)


def check_size(size: tuple[int, int], name: str) -> None:
    """Raise an :class:`InputError` if a picture of this size, (width, height), has more pixels than a network takes."""
    if size[0] * size[1] > MOST_PIXELS_OF_A_FRAME:
        raise InputError(f'{name}: {size_text(size)} pixels are more than {MOST_PIXELS_OF_A_FRAME:,}; make it smaller')


def check_video(file: Path) -> None:
    """Raise an error unless the content begins as a video does.

    Raises:
        InputError: It does not, or the file cannot be read.
    """
    with as_input_error(f'{file.name}: cannot be read', OSError), file.open('rb') as opened:
        start = opened.read(200)
    kinds = (
        start[4:8] in (b'ftyp', b'moov', b'mdat', b'wide', b'free', b'skip'),  # MP4, MOV
        start.startswith(b'\x1a\x45\xdf\xa3'),  # Matroska, WebM
        start.startswith(b'RIFF') and start[8:12] == b'AVI ',
        start.startswith((b'\x00\x00\x01\xba', b'\x00\x00\x01\xb3')),  # MPEG
        start[:1] == b'G' and start[188:189] == b'G',  # MPEG-TS
        start.startswith(b'\x30\x26\xb2\x75\x8e\x66\xcf\x11'),  # ASF, WMV
    )
    if not any(kinds):
        raise InputError(f'{file.name}: neither an image nor a video; give a JPEG, PNG, WebP, BMP or TIFF, or MP4, WebM or AVI')
