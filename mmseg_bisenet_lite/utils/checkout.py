"""State of the checkout that runs."""

import contextlib
import subprocess
from pathlib import Path


def made_with(version: str) -> dict[str, str | None]:
    """Return the versions, the package's own among them, the device and the commit that results are made with."""
    import torch

    return {
        'mmseg-bisenet-lite': version,
        'torch': torch.__version__,
        'device': torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu',
        'commit': commit(),
    }


def commit() -> str | None:
    """Return the checkout's commit, with a plus sign if files differ from it; ``None`` outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / '.git').exists():  # an installed package may lie inside somebody else's checkout
        return None
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        # The long form of --dirty would name a tag; --always names the commit where there is none.
        command = ['git', 'describe', '--always', '--exclude=*', '--dirty=+']
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    return None
