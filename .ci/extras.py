"""Build hook that writes the package's extras: all as pyproject.toml lists them, unless a full mmcv is already installed.

mmcv and mmcv-lite are two distributions of the same files. Installing mmcv-lite over a full mmcv, which takes half an hour
to compile, would overwrite it, and no dependency specifier can say "one or the other". A wheel that is to be given away must be
built where there is no mmcv.
"""

import site
import sysconfig
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


def full_mmcv_is_installed() -> bool:
    """Whether the environment that runs the installer, not the isolated one of this build, has the distribution mmcv."""
    folders = {*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()}
    return any(any(Path(folder).glob('mmcv-[0-9]*.dist-info')) for folder in folders)


class ExtrasHook(MetadataHookInterface):
    """Fills ``optional-dependencies``."""

    def update(self, metadata: dict) -> None:
        """See the module."""
        skipped = 'mmcv-lite' if full_mmcv_is_installed() else None
        metadata['optional-dependencies'] = {
            extra: [requirement for requirement in requirements if not (skipped and requirement.startswith(skipped))]
            for extra, requirements in self.config['extras'].items()
        }
