"""Sizes of images in words: width x height, as everywhere that people read or type them."""


def size_text(size: tuple[int, int] | None) -> str:
    """``'640x360'`` of (width, height); ``None`` is any size, ``'dynamic'``."""
    return f'{size[0]}x{size[1]}' if size else 'dynamic'
