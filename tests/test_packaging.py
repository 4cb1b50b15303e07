"""The wheel: what travels in it, that it is the same whoever builds it, and that it works outside a checkout."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
import tomllib
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.doctor import fixes_table

pytestmark = pytest.mark.slow


def lower_bounds(requirements):
    """Of each one that has a range, its name and the lowest version."""
    return {
        canonicalize_name(requirement.name): Version(bound.version)
        for requirement in map(Requirement, requirements)
        for bound in requirement.specifier
        if bound.operator == '>='
    }


def pins(file):
    """Names and versions of a constraints file."""
    lines = [line.partition('==') for line in file.read_text().splitlines() if line and not line.startswith('#')]
    return {canonicalize_name(name): Version(version) for name, _, version in lines}


def build(source, target, folder):
    command = [sys.executable, '-m', 'hatchling', 'build', '-t', target, '-d', str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(folder.glob('*.whl' if target == 'wheel' else '*.tar.gz'))


@pytest.fixture(scope='module')
def wheel(root, tmp_path_factory):
    return build(root, 'wheel', tmp_path_factory.mktemp('wheel'))


@pytest.fixture(scope='module')
def distribution(wheel):
    """What the wheel says of itself."""
    (folder,) = (path for path in zipfile.Path(wheel).iterdir() if path.name.endswith('.dist-info'))
    return PathDistribution(folder)


@pytest.fixture(scope='module')
def project(root):
    return tomllib.loads((root / 'pyproject.toml').read_text())['project']


def test_the_source_archive_builds_the_same_wheel(wheel, root, tmp_path):
    shutil.unpack_archive(build(root, 'sdist', tmp_path), tmp_path)
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert (unpacked / 'tools' / 'train.py').is_file()
    again = zipfile.ZipFile(build(unpacked, 'wheel', tmp_path))
    first = zipfile.ZipFile(wheel)
    assert again.namelist() == first.namelist()
    assert all(again.read(name) == first.read(name) for name in first.namelist())


def test_mims_files_travel(wheel, root):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in [*root.glob('configs/**/*.py'), *root.glob('tools/*.py'), root / 'configs' / 'metafile.yml']:
        assert f'mmseg_bisenet_lite/.mim/{path.relative_to(root).as_posix()}' in names
    assert 'mmseg_bisenet_lite/.mim/model-index.yml' in names
    assert not any(name.startswith(('tests/', 'configs/', 'tools/')) for name in names)


def test_weights_types_and_the_command_travel(wheel, distribution, root):
    names = set(zipfile.ZipFile(wheel).namelist())
    weights = {path.relative_to(root).as_posix() for path in root.glob('mmseg_bisenet_lite/pretrained/*.safetensors')}
    assert len(weights) == 8
    assert names >= weights | {'mmseg_bisenet_lite/py.typed', 'bisenet_lite.py'}
    (command,) = distribution.entry_points
    assert (command.group, command.name, command.value) == ('console_scripts', 'bisenet-lite', 'bisenet_lite:main')


def test_the_wheel_says_that_it_is_typed_and_where_to_read_on(distribution):
    assert 'Typing :: Typed' in distribution.metadata.get_all('Classifier')
    links = [url.split(', ') for url in distribution.metadata.get_all('Project-URL')]
    assert all(label and address.startswith('https://') for label, address in links)


def test_the_extras_are_those_of_the_project_file_whoever_builds(distribution, project):
    """And none but its own has mmcv-lite, which would overwrite a full mmcv that the builder or the user has."""
    assert project['dynamic'] == ['version']
    told = {}
    for requirement in map(Requirement, distribution.requires):
        extra = None
        if requirement.marker:
            (extra,) = {
                name
                for name in project['optional-dependencies']
                if requirement.marker.evaluate(dict(extra=name, python_version='3.13'))
            }
        line = str(requirement)
        for marker in (f' and extra == "{extra}"', f'; extra == "{extra}"'):
            line = line.removesuffix(marker)
        told.setdefault(extra, set()).add(line)
    written = {None: project['dependencies'], **project['optional-dependencies']}
    assert told == {extra: {str(Requirement(line)) for line in lines} for extra, lines in written.items()}
    assert [extra for extra, lines in told.items() if any('mmcv-lite' in line for line in lines)] == ['mmcv-lite']


def test_the_metafile_names_every_model_once():
    mim = compat.mim_folder('mmseg_bisenet_lite')
    (metafile,) = yaml.safe_load((mim / 'model-index.yml').read_text())['Import']
    models = yaml.safe_load((mim / metafile).read_text())['Models']
    configs = [model['Config'] for model in models]
    assert len({model['Name'] for model in models}) == len(set(configs)) == len(models) == 26
    assert all((mim / config).is_file() for config in configs)


def test_the_installed_package_works_outside_a_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / 'site')
    (tmp_path / 'mine.py').write_text("_base_ = 'mmseg_bisenet_lite::lite_hinge_human.py'\n")
    code = (
        'import sys; sys.path.insert(0, "site")\n'
        'import mmseg_bisenet_lite; print(mmseg_bisenet_lite.__file__)\n'
        'from mmengine.config import Config; print(Config.fromfile("mine.py").model.backbone.type)'
    )
    output = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert str(tmp_path / 'site') in output
    assert output.endswith('BiSeNetLite\n')
    command = [sys.executable, '-m', 'bisenet_lite', 'make-toy', 'toy', '--train', '1', '--val', '1', '--size', '64x32']
    environment = os.environ | dict(PYTHONPATH=str(tmp_path / 'site'))
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert len(list(tmp_path.glob('toy/**/*_leftImg8bit.png'))) == 2


def test_the_doctor_reports():
    done = subprocess.run([sys.executable, '-m', 'mmseg_bisenet_lite.doctor'], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert f'on {compat.host_name()}' in done.stdout
    assert all(fix.name in done.stdout for fix in compat.FIXES)
    assert 'Nothing is missing.' in done.stdout


def test_the_doctor_runs_without_a_host(root, tmp_path):
    import rich

    # An interpreter that has our package and what its core needs, and nothing else.
    for module in ('numpy', 'numpy.libs', 'rich', 'pygments', 'markdown_it', 'mdurl'):
        (tmp_path / module).symlink_to(Path(rich.__path__[0]).parent / module)
    code = (
        'import runpy, sys; sys.path = [p for p in sys.path if "site-packages" not in p] + sys.argv[1:]\n'
        'del sys.argv[1:]\n'
        'runpy.run_module("mmseg_bisenet_lite.doctor", run_name="__main__")'
    )
    done = subprocess.run([sys.executable, '-I', '-c', code, str(tmp_path), str(root)], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert 'problem: the module torch is missing' in done.stdout


@pytest.fixture(scope='module')
def exported(small_config, small_checkpoint, tmp_path_factory):
    """Files of one network by their format."""
    from mmseg_bisenet_lite.export import ExportConfig, export

    out = tmp_path_factory.mktemp('out')
    config = ExportConfig(str(small_config), str(small_checkpoint), out, (128, 64), format=['onnx', 'openvino'])
    results = export(config, lambda *_: None)
    assert not any(result.failure for result in results)
    return {result.file.suffix: result.file for result in results}


@pytest.mark.parametrize(
    ('extra', 'suffix', 'lowest'),
    [
        ('runtime', '.onnx', False),
        pytest.param('runtime', '.onnx', True, marks=pytest.mark.lowest),
        pytest.param('openvino', '.xml', True, marks=pytest.mark.lowest),
    ],
)
def test_a_runtime_extra_alone_runs_an_exported_file(wheel, project, root, exported, tmp_path, extra, suffix, lowest):
    """In a virtual environment without PyTorch and MMSegmentation, as on a robot; with CI's versions, and the lowest ones."""
    import numpy as np

    from mmseg_bisenet_lite.deploy import Segmenter
    from mmseg_bisenet_lite.export.samples import RenderedSamples

    file = exported[suffix]
    frames = np.stack([sample.frame for sample in RenderedSamples((128, 64), 3)])
    np.save(tmp_path / 'frames.npy', frames)
    subprocess.run([sys.executable, '-m', 'venv', tmp_path / 'robot'], check=True)
    python = tmp_path / 'robot' / 'bin' / 'python'
    versions = ['-c', root / '.ci' / 'constraints.txt']
    if lowest:
        bounds = lower_bounds([*project['dependencies'], *project['optional-dependencies'][extra]])
        versions = [f'{name}=={version}' for name, version in bounds.items()]
    install = [python, '-m', 'pip', 'install', '-q', f'{wheel}[{extra}]', *versions]
    installed = subprocess.run(install, capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    code = (
        'import sys, importlib.util, numpy as np\n'
        'from mmseg_bisenet_lite.deploy import Segmenter\n'
        f'segmenter = Segmenter({str(file)!r})\n'
        'frames = np.load("frames.npy")\n'
        'masks = segmenter(frames)\n'
        'assert np.array_equal(masks, np.stack(list(segmenter.stream(frames))))\n'
        'np.save("masks.npy", masks)\n'
        'there = [name for name in ("torch", "mmseg", "mmengine", "mmcv") if importlib.util.find_spec(name)]\n'
        'print(there, segmenter.metadata.classes, segmenter.latency.calls)\n'
    )
    done = subprocess.run([python, '-c', code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "[] ('background', 'vehicle') 4", done.stderr
    assert (np.load(tmp_path / 'masks.npy') != Segmenter(file)(frames)).mean() < 0.001
    demo = [python.with_name('bisenet-lite'), 'predict', file, 'absent.png']
    missing = subprocess.run(demo, cwd=tmp_path, capture_output=True, text=True)
    assert missing.returncode == 1
    assert missing.stderr == 'bisenet-lite predict: error: absent.png: there is no such image\n'
    demo[2:] = ['bisenet-lite://lite-shared_hinge_vehicle_camvid', 'absent.png']
    hostless = subprocess.run(demo, cwd=tmp_path, capture_output=True, text=True)
    assert hostless.returncode == 1
    assert re.fullmatch(
        r'bisenet-lite predict: error: bisenet-lite://\S+: the weights that come with the package run in PyTorch with '
        r'MMSegmentation \(the module torch is missing: .*\); '
        r'where only a runtime is installed, give a file of tools/export\.py\n',
        hostless.stderr,
    )


def test_the_plugins_page_lists_the_repairs_that_there_are(root):
    page = (root / 'mmseg_bisenet_lite' / 'README.md').read_text()
    between = re.search(r'<!-- fixes:.*?-->\n(.*?)<!-- /fixes -->', page, re.DOTALL)
    assert between[1].strip() == fixes_table()


def test_ci_runs_the_lowest_versions_that_the_ranges_promise(root, project):
    """All but PyTorch's: .ci/oldest.txt says why. What .ci/run installs with them has no range without a pin."""
    extras = project['optional-dependencies']
    names = ('openmmlab', 'mmcv-lite', 'export', 'test')
    promised = lower_bounds([*project['dependencies'], *(line for name in names for line in extras[name])])
    del promised['torch']
    oldest = pins(root / '.ci' / 'oldest.txt')
    assert promised == {name: oldest.get(name) for name in promised}


def test_pre_commit_has_cis_versions(root):
    tested = pins(root / '.ci' / 'constraints.txt')
    (repository,) = yaml.safe_load((root / '.pre-commit-config.yaml').read_text())['repos']
    hooks = [hook for hook in repository['hooks'] if hook['language'] == 'python']
    assert len(hooks) == 5
    for hook in hooks:
        (requirement,) = map(Requirement, hook['additional_dependencies'])
        assert requirement.specifier.contains(tested[canonicalize_name(requirement.name)]), hook['id']
