"""The README says what is there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope='module')
def readme(root):
    return (root / 'README.md').read_text()


def test_paths_exist(root, readme):
    made = ('data/', 'work_dirs/', 'configs/{')  # by the commands themselves, or a pattern
    paths = set(re.findall(r'(?<![\w/])(?:configs|tools|\.ci|\.github)/[\w./{-]+', readme))
    assert len(paths) > 10
    assert not [path for path in paths if not path.startswith(made) and not (root / path.rstrip('./')).exists()]


def test_checkpoints_are_the_configs(root, readme):
    from mmengine.config import Config

    runs = re.findall(r'(configs/[\w/-]+\.py)\W+work_dirs/\S+?/iter_(\d+)\.pth', readme)
    assert len(runs) >= 3
    for config, iters in runs:
        assert Config.fromfile(root / config).train_cfg.max_iters == int(iters)


def test_nothing_is_left_to_fill_in(readme):
    assert not re.findall(r'\b(?:[A-Z]+_(?:RESULT|ROW)|TODO|TBD|XXX)\b|@@', readme)


def test_the_first_lines_of_python_run_in_a_process_of_their_own(root, readme):
    program = next(block for block in re.findall(r'```python\n(.*?)```', readme, re.DOTALL) if 'init_model(' in block)
    ending = 'assert mask.shape == (360, 480) and set(mask.unique().tolist()) == {0, 1}'
    done = subprocess.run([sys.executable, '-c', program + ending], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_cpp_program_gives_the_segmenters_masks(readme, small_config, small_checkpoint, tmp_path):
    import openvino

    from mmseg_bisenet_lite.deploy import Segmenter
    from mmseg_bisenet_lite.export import Order, export
    from mmseg_bisenet_lite.export.samples import RenderedSamples

    compiler = shutil.which('g++')
    if compiler is None:
        pytest.skip('there is no g++ here')
    order = Order(str(small_config), str(small_checkpoint), ['openvino'], ['fp32'], tmp_path, (128, 64))
    (outcome,) = export(order, lambda *_: None)
    (program,) = re.findall(r'```cpp\n(.*?)```', readme, re.DOTALL)
    (tmp_path / 'segment.cpp').write_text(program)
    (command,) = re.findall(r'^g\+\+ (.*)$', readme, re.MULTILINE)
    folder = Path(openvino.__path__[0])
    library = next(folder.glob('libs/libopenvino.so.*'))
    arguments = command.replace('$OV/libs/libopenvino.so.*', str(library)).replace('$OV', str(folder)).split()
    done = subprocess.run([compiler, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    frame = RenderedSamples((128, 64))[0].frame
    frame.tofile(tmp_path / 'frame')
    output = subprocess.run([tmp_path / 'segment', outcome.file, tmp_path / 'frame'], capture_output=True, check=True).stdout
    mask = np.frombuffer(output, np.uint8).reshape(64, 128)
    assert 0 < mask.mean() < 1
    assert np.array_equal(mask, Segmenter(outcome.file)(frame))
