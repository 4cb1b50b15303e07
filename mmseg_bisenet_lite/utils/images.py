"""Read and write image files, for training, export and deployment."""

import stat
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.utils.containers import KINDS, DamagedImageError, Header, header_of, kind_of
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.files import atomic_write
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.png_texts import with_texts

MOST_PIXELS = 2**28  # 268 million: more than any camera, and 0.8 GB
MOST_BYTES = 2**31

# Suffix of a file's name -> suffix by which OpenCV chooses the encoder.
_ENCODERS = {
    **dict.fromkeys(('.jpg', '.jpeg', '.jpe', '.jfif'), '.jpg'),
    **dict.fromkeys(('.bmp', '.dib'), '.bmp'),
    **dict.fromkeys(('.tif', '.tiff'), '.tiff'),
    **{suffix: suffix for suffix in ('.png', '.webp', '.ppm')},
}
# Suffixes of label maps that may be found by their names: in formats without loss.
LOSSLESS = ('.png', '.bmp', '.tif', '.tiff', '.webp')
SUFFIXES = (*_ENCODERS, '.apng', '.pgm', '.pnm')
# Pictures that this reader does not read; some begin like a TIFF whose first picture is a thumbnail.
_OTHER_PICTURES = (
    *('.avif', '.exr', '.hdr', '.heic', '.heif', '.j2k', '.jp2', '.jpf', '.jpx', '.jxl', '.pfm', '.pic', '.ras', '.sr'),
    *('.arw', '.cr2', '.cr3', '.dng', '.nef', '.orf', '.pef', '.raf', '.raw', '.rw2', '.srw'),
)
# Options of cv2.imencode, by their numbers, which are the same in all versions: IMWRITE_PNG_COMPRESSION is 16 and
# IMWRITE_PNG_STRATEGY 17. Runs of equal values, of masks, need a third of the bytes by the strategy for runs (3).
PNG_QUICK = (16, 1)
PNG_FLAT = (*PNG_QUICK, 17, 3)
# The upper quarter of a camera's values is used by no 14-bit value, and nearly always by a picture of 16 real bits.
_SURELY_16_BITS = 2**14


class CannotEncodeError(InputError):
    """A picture or a video cannot be encoded in its format, such as a JPEG with a side above 65,500 pixels."""


def is_image(file: Path) -> bool:
    """Whether a file is a picture, by its name; by its content if its name is of no known kind of picture."""
    suffix = file.suffix.lower()
    if suffix in SUFFIXES or suffix in _OTHER_PICTURES:
        return suffix in SUFFIXES
    try:
        if not file.is_file():
            return False
        with file.open('rb') as opened:
            return kind_of(opened.read(16)) is not None
    except OSError:
        return False


def is_picture(file: Path) -> bool:
    """Whether a file is a picture of any kind, also one that :func:`read_image` does not read: never a video."""
    return file.suffix.lower() in _OTHER_PICTURES or is_image(file)


def images_in(entries: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return the images among the entries of a folder, sorted, and those that are left out.

    Hidden entries, such as macOS's ``._a.png``, are in neither list.
    """
    seen = sorted((entry for entry in entries if not entry.name.startswith('.')), key=lambda entry: entry.parts)
    images = [entry for entry in seen if not entry.is_dir() and is_image(entry)]
    taken = set(images)
    return images, [entry for entry in seen if entry not in taken]


def named(files: Sequence[Path | str], most: int = 8) -> str:
    """Return the names of files for a message; of more than ``most`` only the first, and how many there are more."""
    more = f' and {len(files) - most} more' if len(files) > most else ''
    return ', '.join(map(str, files[:most])) + more


def check_image(data: bytes, name: str, what: str = 'image') -> Header:
    """Return the header of an image file that is whole and not too large.

    Args:
        data: Content of the file.
        name: Name of the file, for errors.
        what: What the file should be, for errors.

    Raises:
        InputError: The content is empty, truncated, of an unknown format or has more than ``MOST_PIXELS`` pixels.
    """
    if not data:
        raise InputError(f'{name}: this file is empty, not a readable {what}; copy it again')
    try:
        header = header_of(data)
    except DamagedImageError as error:
        raise InputError(f'{name}: not a readable {what}, or a truncated one ({error}); copy it again') from error
    if header is None:
        raise InputError(f'{name}: not a readable {what}; give {", ".join(KINDS[:-1])} or {KINDS[-1]}')
    if header.width * header.height > MOST_PIXELS:
        raise InputError(f'{name}: {header.width}x{header.height} pixels are more than {MOST_PIXELS}; make it smaller')
    return header


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Return the pixels of an image file, upright by its EXIF orientation, as (height, width, 3), uint8, BGR.

    Grey, palette and CMYK pictures become BGR; transparency is dropped, of a TIFF laid over black.
    Of 16 bits the upper 8 are kept.

    Args:
        data: Content of the file.
        name: Name of the file, for errors.

    Raises:
        InputError: The content is not a whole image of at most ``MOST_PIXELS`` pixels, or its values are floating-point numbers
            or of an unknown depth between 8 and 16 bits.
    """
    return decode_checked(data, check_image(data, name), name)


def decode_checked(data: bytes, header: Header, name: str) -> np.ndarray:
    """Return the pixels of an image file whose header :func:`check_image` has returned; see :func:`decode_image`."""
    cv2 = require('cv2', 'opencv-python-headless')
    if not header.unsigned:  # OpenCV cannot decode all of them, and writes to standard error
        raise InputError(f'{name}: its values are floating-point or negative numbers; save it with 8 bits')
    deep = header.kind in ('PNG', 'TIFF', 'PNM')  # formats that store 12 bits as the lower ones of 16
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_ANYDEPTH if deep else 0)
    with as_input_error(f'{name}: not a readable image, or a damaged one', cv2.error):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise InputError(f'{name}: not a readable image, or a damaged one: OpenCV cannot decode this {header.kind}')
    return upright(_in_8_bits(pixels, name), header.orientation)


def read_image(file: Path) -> np.ndarray:
    """Read an image file; see :func:`decode_image`.

    Raises:
        InputError: As for :func:`decode_image`; or the file is missing, not a regular file, unreadable or above ``MOST_BYTES``.
    """
    with as_input_error(f'{file}: cannot be read', OSError):
        if not file.exists():
            raise InputError(f'{file}: there is no such image')
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f'{file}: not an image file')
        if status.st_size > MOST_BYTES:
            raise InputError(f'{file}: {status.st_size} bytes are more than {MOST_BYTES}; make the image smaller')
        data = file.read_bytes()  # OpenCV's own reader dies of names that are not UTF-8, and fills up truncated JPEGs
    return decode_image(data, str(file))


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return the pixels, (height, width, ...), turned and mirrored by an EXIF orientation, 1 to 8."""
    if orientation == 1:
        return pixels
    if orientation in (2, 4):
        turned = pixels[:, ::-1] if orientation == 2 else pixels[::-1]
    elif orientation in (5, 7):
        turned = np.swapaxes(pixels if orientation == 5 else pixels[::-1, ::-1], 0, 1)
    else:
        turned = np.rot90(pixels, {3: 2, 6: -1, 8: 1}[orientation])
    return np.ascontiguousarray(turned)


def output_name(file: Path) -> str:
    """Return the name under which a picture made from an image file can be written: its own, or that with ``.png``."""
    return file.name if file.suffix.lower() in _ENCODERS else f'{file.name}.png'


def write_image(file: Path, pixels: np.ndarray, options: Sequence[int] = (), texts: Mapping[str, str] | None = None) -> None:
    """Write an image file in the format of its suffix; a link of that name is replaced, not followed.

    Args:
        file: The file.
        pixels: (height, width) or (height, width, 3), BGR; uint8, for PNG also uint16.
        options: OpenCV's options of the encoder, such as ``PNG_QUICK``.
        texts: Texts in the metadata, for PNG.

    Raises:
        CannotEncodeError: OpenCV cannot encode the pixels in this format.
        OSError: The file cannot be written.
    """
    cv2 = require('cv2', 'opencv-python-headless')
    with as_input_error(f'{file}: cannot be encoded', cv2.error, raised=CannotEncodeError):
        encoded, buffer = cv2.imencode(_ENCODERS[file.suffix.lower()], pixels, options)
    if not encoded:
        raise CannotEncodeError(f'{file}: OpenCV cannot encode {pixels.shape[1]}x{pixels.shape[0]} pixels in this format')
    data = with_texts(buffer.tobytes(), texts) if texts else buffer
    # Waiting for the disk takes longer than encoding, and a video has thousands of frames.
    with atomic_write(file, f'.{uuid.uuid4().hex[:8]}.tmp', durable=False) as temporary:
        temporary.write_bytes(data)


def _in_8_bits(pixels: np.ndarray, name: str) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype != np.uint16:
        raise InputError(f'{name}: its values are {pixels.dtype}; save it with 8 bits')
    largest = int(pixels.max())
    if 0 < largest < _SURELY_16_BITS:
        raise InputError(
            f'{name}: a 16-bit image with values up to {largest} only, as of a camera with fewer bits; it would be nearly '
            'black: scale it, and save it with 8 bits'
        )
    return (pixels >> 8).astype(np.uint8)
