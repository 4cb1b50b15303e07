"""Image sizes as text: width x height, as users read and type them."""


def size_text(size: tuple[int, int] | None) -> str:
    """Return (width, height) as ``'640x360'``; ``None``, any size, is ``'dynamic'``."""
    return f'{size[0]}x{size[1]}' if size else 'dynamic'
