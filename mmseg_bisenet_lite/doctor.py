"""Show which host, versions and fixes are active, and what is missing: ``python -m mmseg_bisenet_lite.doctor``.

The exit status is 1 if something keeps the package from working.
"""

import argparse
import importlib
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import requires

from rich.console import Console
from rich.table import Table

from mmseg_bisenet_lite import __version__, compat
from mmseg_bisenet_lite.utils.console import one_line_errors
from mmseg_bisenet_lite.utils.library import RUNTIMES


def problems() -> Iterator[str]:
    """Yield each problem of the installation and how to solve it, in one line."""
    if problem := compat.host_problem():
        yield problem
    for name, (mmseg, *_) in compat.HOSTS.items():
        if name != compat.host_name() and compat.version(mmseg):
            yield f'{compat.host_name()} and {name} overwrite each other: install one of them in a new virtual environment'
    if compat.version('mmcv') and compat.version('mmcv-lite'):
        yield 'mmcv and mmcv-lite overwrite each other: uninstall both, then install one'


def devices() -> Iterator[str]:
    """Yield the devices that PyTorch can use."""
    import torch

    yield f'CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}'
    for index in range(torch.cuda.device_count()):
        yield f'CUDA {index}: {torch.cuda.get_device_name(index)}'


def extras() -> Iterator[tuple[str, str, bool]]:
    """Yield the name of each optional extra, its packages, and whether all of them are installed."""
    packages: dict[str, list[str]] = {}
    if compat.version('mmseg-bisenet-lite') is None:
        return  # run from a checkout that is not installed
    for requirement in requires('mmseg-bisenet-lite') or ():
        if match := re.match(r"""([\w.-]+).*extra\s*==\s*['"]([\w-]+)['"]""", requirement):
            packages.setdefault(match[2], []).append(match[1])
    for extra, names in packages.items():
        yield extra, ', '.join(names), all(compat.version(name) for name in names)


def fixes_table() -> str:
    """Return the fixes of the host as a Markdown table, for the package's README."""
    rows = [f'| `{fix.name}` | {fix.broken} | {fix.versions} | {fix.delete_when} |' for fix in compat.FIXES]
    return '\n'.join(['| fix | what is broken | seen in | removed when |', '|---|---|---|---|', *rows])


def main() -> int:
    """Print the report; return the number of problems."""
    description = 'Show versions, devices and active fixes, and what is missing. Exits with status 1 if there is a problem.'
    parser = argparse.ArgumentParser(prog='doctor', description=description)
    parser.add_argument('--markdown', action='store_true', help='print only the table of fixes, as Markdown')
    if parser.parse_args().markdown:
        print(fixes_table())
        return 0
    console = Console()
    found = list(problems())

    versions = Table('component', 'version', title=f'mmseg-bisenet-lite {__version__} on {compat.host_name() or "no host"}')
    versions.add_row('Python', platform.python_version())
    distributions = [name for mmseg, mmengine, mmcvs in compat.HOSTS.values() for name in (mmseg, mmengine, *mmcvs)]
    for name in ('torch', 'numpy', *distributions, 'opencv-python', 'opencv-python-headless', 'setuptools', *RUNTIMES):
        if version := compat.version(name):
            versions.add_row(name, version)
    versions.add_row('kornia-rs', compat.version('kornia-rs') or 'not installed: photographs are decoded half as fast')
    if importlib.util.find_spec('torch'):
        for device in devices():
            versions.add_row('device', device)
    console.print(versions)

    fixes = Table('fix', 'state', 'what is broken', 'removed when', title='Workarounds for the host')
    active = {} if compat.host_problem() else compat.apply_fixes()
    for fix in compat.FIXES:
        state = {True: 'active', False: 'not needed', None: 'not applied'}[active.get(fix.name)]
        fixes.add_row(fix.name, state, fix.broken, fix.delete_when)
    console.print(fixes)

    optional = Table('extra', 'state', 'packages', title='Optional extras')
    for extra, names, installed in extras():
        if not installed and extra in ('openmmlab', 'onedl') and compat.host_name():
            continue  # the other host must not be installed beside this one
        optional.add_row(extra, 'installed' if installed else f"pip install -e '.\\[{extra}]'", names)
    console.print(optional)

    for problem in found:
        console.print(f'[bold red]problem[/]: {problem}', highlight=False, soft_wrap=True)
    console.print('Nothing is missing.' if not found else f'{len(found)} problem(s).')
    return len(found)


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(bool(main()))
