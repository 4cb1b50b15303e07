"""Fix for the reading of images."""

from typing import Any

from mmseg_bisenet_lite.compat.fixes import fix

_UNNAMED = 'this image'  # MMCV decodes bytes, whose file it does not know


@fix(
    'images',
    broken=(
        'mmcv fills a truncated JPEG up with grey, makes 12 bits of 16 nearly black and leaves a WebP of a phone on its side, '
        'depending on the version of OpenCV; the inference API and the visualization hook read images so'
    ),
    versions='mmcv 2.1.0; onedl-mmcv 2.3.6',
    delete_when='mmcv refuses such files, and applies the EXIF orientation of every format',
)
def _read_images_as_our_loaders_do() -> bool:
    import mmcv
    from mmcv.image import io
    from mmcv.transforms import LoadImageFromFile

    from mmseg_bisenet_lite.utils.containers import kind_of
    from mmseg_bisenet_lite.utils.errors import InputError
    from mmseg_bisenet_lite.utils.images import decode_image

    decode, load = io.imfrombytes, LoadImageFromFile.transform

    def imfrombytes(content: bytes, flag: Any = 'color', channel_order: str = 'bgr', backend: str | None = None) -> Any:
        if flag != 'color' or (backend or io.imread_backend) != 'cv2' or kind_of(content[:16]) is None:
            return decode(content, flag, channel_order, backend)
        pixels = decode_image(content, _UNNAMED)
        return pixels[..., ::-1].copy() if channel_order == 'rgb' else pixels

    def transform(self: Any, results: dict) -> Any:
        try:
            return load(self, results)
        except InputError as error:
            message = str(error)
            if not message.startswith(_UNNAMED):
                raise
            raise InputError(results['img_path'] + message.removeprefix(_UNNAMED)) from error

    io.imfrombytes = mmcv.image.imfrombytes = mmcv.imfrombytes = imfrombytes
    LoadImageFromFile.transform = transform
    return True
