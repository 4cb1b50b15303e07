"""The command bisenet-lite: its sub-commands, and that it shows them without PyTorch."""

import runpy
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def command(root):
    """Its namespace, of this checkout: an editable install has a copy that may be older."""
    return runpy.run_path(str(root / 'tools' / 'bisenet_lite.py'))


@pytest.fixture
def call(command, monkeypatch):
    """Run it in this process; returns its status."""

    def call(*arguments):
        monkeypatch.setitem(sys.modules, '__main__', sys.modules['__main__'])  # which a script replaces
        monkeypatch.setattr(sys, 'argv', ['/somewhere/bin/bisenet-lite', *map(str, arguments)])
        try:
            return command['main']()
        except SystemExit as stopped:
            return stopped.code

    return call


@pytest.mark.parametrize('arguments', [[], ['-h'], ['--help']])
def test_it_lists_every_sub_command(command, call, capsys, arguments):
    assert call(*arguments) == 0
    text = capsys.readouterr().out
    assert all(f'\n  {name} ' in text for name in command['COMMANDS'])
    assert max(map(len, text.splitlines())) <= 100


def test_every_tool_has_a_sub_command(command, root):
    targets = {target for target, _ in command['COMMANDS'].values()}
    tools = {path.name for path in root.glob('tools/*.py')} - {'bisenet_lite.py'}
    assert targets == tools | {'mmseg_bisenet_lite.deploy.demo', 'mmseg_bisenet_lite.doctor'}


@pytest.mark.parametrize('argument', ['--help', '--version', 'tarin'])
def test_neither_pytorch_nor_the_package_is_imported_for_that(root, argument):
    code = (
        'import runpy, sys; sys.argv = sys.argv[1:]\n'
        'main = runpy.run_path(sys.argv[0])["main"]\n'
        'print(main(), [name for name in ("torch", "numpy", "rich", "mmseg_bisenet_lite") if name in sys.modules])'
    )
    program = [sys.executable, '-c', code, root / 'tools' / 'bisenet_lite.py', argument]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f'{2 if argument == "tarin" else 0} []'


def test_the_version_is_the_packages(call, capsys):
    import mmseg_bisenet_lite

    assert call('--version') == 0
    assert capsys.readouterr().out == f'bisenet-lite {mmseg_bisenet_lite.__version__}\n'


def test_an_unknown_sub_command_ends_with_one_line(call, capsys):
    assert call('tarin', 'config.py') == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bisenet-lite: error: 'tarin' is not a command; choose from train, test, test-corruptions, ")


def test_without_the_package_it_says_what_to_install(call, monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda _: None)
    assert call('train').startswith('bisenet-lite: error: the package mmseg_bisenet_lite is missing: ')


@pytest.mark.parametrize('name', ['predict', 'export', 'benchmark', 'benchmark-train', 'reproduce', 'publish', 'make-toy'])
def test_usage_and_errors_name_the_sub_command(call, capsys, name):
    assert call(name, '--help') == 0
    assert capsys.readouterr().out.startswith(f'usage: bisenet-lite {name} [-h]')
    assert call(name, '--absent') == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f'bisenet-lite {name}: error: ')


@pytest.mark.parametrize('name', ['train', 'test'])
def test_the_hosts_tools_show_their_own_options(call, capsys, name):
    assert call(name, '--help') == 0
    text = capsys.readouterr().out
    assert text.startswith(f'usage: bisenet-lite {name} [-h]')
    assert '--cfg-options' in text


def test_a_tool_runs_with_its_arguments(call, capsys, tmp_path):
    arguments = ('make-toy', tmp_path / 'toy', '--val', '1', '--size', '64x32', '--train')
    assert call(*arguments, '2') == 0
    assert f'{tmp_path}/toy: 2 training and 1 validation images' in capsys.readouterr().out
    assert call(*arguments, '3').startswith('bisenet-lite make-toy: error: ')


def test_the_doctors_status_is_the_commands(root):
    program = [sys.executable, root / 'tools' / 'bisenet_lite.py', 'doctor']
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'Nothing is missing.' in done.stdout
