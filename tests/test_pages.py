"""The pages say what is there: links lead somewhere, commands have the options that they name, examples run."""

import ast
import contextlib
import functools
import importlib.util
import io
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
LISTED = subprocess.run(
    [shutil.which('git') or 'git', 'ls-files', '*.md'], cwd=ROOT, capture_output=True, text=True, check=True
).stdout
PAGES = {name: (ROOT / name).read_text() for name in LISTED.split()}
# A changelog tells of what is there no more.
PRESENT = {name: text for name, text in PAGES.items() if name != 'CHANGELOG.md'}
README, ZOO, TOOLS = PAGES['README.md'], PAGES['configs/README.md'], PAGES['tools/README.md']
DEPLOY = PAGES['mmseg_bisenet_lite/deploy/README.md']

# Sub-commands of ``bisenet-lite`` that are not called as their script is.
SUBCOMMANDS = {
    'demo': 'mmseg_bisenet_lite.deploy.demo',
    'doctor': 'mmseg_bisenet_lite.doctor',
    'test-corruptions': 'tools/test_corruptions.py',
    'benchmark-train': 'tools/benchmark_train.py',
    'make-toy': 'tools/make_toy_cityscapes.py',
    'convert-masks': 'tools/convert_masks.py',
    'check-dataset': 'tools/check_dataset.py',
}
# Their arguments are ROS's, or none that a block of commands shows.
WITHOUT_OPTIONS = ('mmseg_bisenet_lite.deploy.ros2_node', 'mmseg_bisenet_lite.doctor')


def blocks(text, language):
    return re.findall(rf'^```{language}\n(.*?)^```', text, re.DOTALL | re.MULTILINE)


def prose(text):
    return re.sub(r'^```.*?^```', '', text, flags=re.DOTALL | re.MULTILINE)


def anchors(text):
    """As GitHub makes them of headings."""
    found = []
    for heading in re.findall(r'^#+ (.*)$', prose(text), re.MULTILINE):
        slug = re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-')
        found.append(f'{slug}-{found.count(slug)}' if slug in found else slug)
    return found


def command_lines(text):
    """The words of each command in the bash blocks."""
    for block in blocks(text, 'bash'):
        pending = ''
        for line in block.replace('\\\n', ' ').splitlines():
            pending += f'{line}\n'
            try:
                words = shlex.split(pending, comments=True)
            except ValueError:  # a quotation goes on in the next line
                continue
            pending = ''
            yield from (part.split('\0') for part in '\0'.join(words).split('\0&&'))
        assert not pending


def inline_commands(text):
    """The words of each command in the sentences."""
    return [code.split() for code in re.findall(r'`([^`\n]+)`', prose(text))]


def tool_of(words):
    """The tool of ours that a command starts, and its arguments; ``None`` for other commands."""
    for place, word in enumerate(words):
        if re.fullmatch(r'tools/\w+\.py', word):
            return word, words[place + 1 :]
        if word == '-m' and words[place + 1 : place + 2] and words[place + 1].startswith('mmseg_bisenet_lite'):
            return words[place + 1], words[place + 2 :]
        if word == 'bisenet-lite' and (name := ' '.join(words[place + 1 : place + 2])).islower():
            return SUBCOMMANDS.get(name, f'tools/{name}.py'), words[place + 2 :]
    return None


def run_here(tool, *arguments):
    """What a tool prints, in this process, where PyTorch is loaded already."""
    output, before = io.StringIO(), sys.argv
    sys.argv = [tool, *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(output):
            if tool.endswith('.py'):
                runpy.run_path(str(ROOT / tool), run_name='__main__')
            else:
                runpy.run_module(tool, run_name='__main__')
    except SystemExit as stopped:
        if stopped.code:
            raise
    finally:
        sys.argv = before
    return output.getvalue()


@functools.cache
def options_of(tool):
    """Those that its help names, and the one that we add to the host's."""
    ours = {'--threshold'} if tool == 'tools/test.py' else set()
    return ours | set(re.findall(r'(?<![\w-])--[a-z][\w-]*', run_here(tool, '--help'))) - {'--help'}


def options_in(words):
    return {word.partition('=')[0] for word in words if re.match('--[a-z]', word)}


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize('page', PAGES)
def test_links_and_pictures_resolve(page):
    for link in re.findall(r'\]\(([^)\s]+)\)', prose(PAGES[page])):
        if re.match('https?://', link):
            continue
        path, _, anchor = link.partition('#')
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


@pytest.mark.parametrize('page', PAGES)
def test_footnotes_are_there_and_used(page):
    text = prose(PAGES[page])
    defined = re.findall(r'^\[\^(\w+)\]: ', text, re.MULTILINE)
    assert len(defined) == len(set(defined))
    assert set(defined) == set(re.findall(r'(?<!^)\[\^(\w+)\]', text, re.MULTILINE))


@pytest.mark.parametrize('page', PRESENT)
def test_paths_exist(page):
    # Commands make what is in data/ and work_dirs/; what is in capitals stands for something.
    found = set(re.findall(r'(?<![\w/.])(?:configs|tools|tests|\.ci|\.github)/[\w./-]+', PRESENT[page]))
    assert not [path for path in found if not re.search('[A-Z]{4}', path) and not (ROOT / path.rstrip('./')).exists()]


def test_checkpoints_are_the_configs():
    from mmengine.config import Config

    runs = {
        run for text in PRESENT.values() for run in re.findall(r'(configs/[\w/-]+\.py)\W+work_dirs/\S+?/iter_(\d+)\.pth', text)
    }
    assert len(runs) >= 3
    for config, iters in runs:
        assert Config.fromfile(ROOT / config).train_cfg.max_iters == int(iters)


@pytest.mark.parametrize('page', PAGES)
def test_nothing_is_left_to_fill_in(page):
    assert not re.findall(r'\b(?:[A-Z]+_(?:RESULT|ROW)|TODO|TBD|XXX)\b|@@', PAGES[page])


def test_commands_have_the_options_that_they_name():
    started = set()
    for page, text in PRESENT.items():
        for words in (*command_lines(text), *inline_commands(text)):
            tool, arguments = tool_of(words) or (None, None)
            if tool is None:
                continue
            assert (ROOT / tool).is_file() if tool.endswith('.py') else importlib.util.find_spec(tool), f'{page}: {words}'
            started.add(tool)
            if tool not in WITHOUT_OPTIONS:
                unknown = options_in(arguments) - options_of(tool)
                assert not unknown, f'{page}: {" ".join(words)}'
    assert len(started) >= 11


def test_the_page_of_the_tools_has_each_option():
    parts = re.split(r'^## (.*)\n', TOOLS, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    scripts = {file.name for file in (ROOT / 'tools').glob('*.py')} - {'bisenet_lite.py'}  # the command of all of them
    assert scripts == {name for name in sections if name.endswith('.py')}
    for name in scripts:
        cells = re.findall(r'^\| (`[^|]*) \|', sections[name], re.MULTILINE)
        told = {word for cell in cells for word in re.findall(r'--[a-z][\w-]*', cell)}
        assert told == options_of(f'tools/{name}'), name


def test_ci_runs_the_block_that_is_marked():
    line = re.search(r'^ *command=.*$', (ROOT / '.ci' / 'run').read_text(), re.MULTILINE)
    script = f'{line[0]}\nprintf %s "$command"'
    done = subprocess.run([shutil.which('bash') or 'bash', '-c', script], cwd=ROOT, capture_output=True, text=True, check=True)
    (block,) = re.findall(r'^<!-- \.ci/run runs this -->\n```bash\n(.*?)\n```$', README, re.DOTALL | re.MULTILINE)
    assert done.stdout == block
    assert block.endswith('pytest')


def test_the_table_of_repairs_has_its_place():
    assert re.search(
        r'^<!-- fixes: made by .* -->\n.*^<!-- /fixes -->$', PAGES['mmseg_bisenet_lite/README.md'], re.MULTILINE | re.DOTALL
    )


@pytest.mark.slow
def test_the_first_lines_of_python_run_in_a_process_of_their_own():
    program = next(block for block in blocks(README, 'python') if 'init_model(' in block)
    ending = 'assert mask.shape == (360, 480) and set(mask.unique().tolist()) == {0, 1}'
    done = subprocess.run([sys.executable, '-c', program + ending], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def own_masks(tmp_path, monkeypatch):
    """Somebody's photographs, and masks of 0 and 255, in the folder that is the current one; the mask of the photographs."""
    mask = np.zeros((120, 160), np.uint8)
    mask[30:90, 40:100] = 255
    for split in ('train', 'val'):
        for folder, ending, pixels in ((split, 'jpg', np.dstack([mask] * 3)), (f'{split}annot', 'png', mask)):
            (tmp_path / 'data' / 'mine' / folder).mkdir(parents=True)
            assert cv2.imwrite(str(tmp_path / 'data' / 'mine' / folder / f'1.{ending}'), pixels)
    monkeypatch.chdir(tmp_path)
    return mask


def data_sets(config):
    """Those for training and val of a config's text."""
    from mmengine.config import Config
    from mmseg.registry import DATASETS

    Path('mine.py').write_text(config)
    read = Config.fromfile('mine.py')
    assert read.test_dataloader == read.val_dataloader
    return [DATASETS.build(loader.dataset) for loader in (read.train_dataloader, read.val_dataloader)]


@pytest.mark.parametrize('page', ['README.md', 'configs/README.md', 'configs/own/README.md'])
def test_own_masks_are_read(page, own_masks):
    config = next(block for block in blocks(PAGES[page], 'python') if 'mine = dict(' in block)
    for mask in Path().glob('data/mine/*annot/*.png'):
        if '255: ' not in config:  # a page that is about masks of 0 and 1
            assert cv2.imwrite(str(mask), own_masks // 255)
    train, val = data_sets(config)
    assert train.metainfo['classes'] == val.metainfo['classes'] == ('background', 'crack')
    assert set(train[0]['data_samples'].gt_sem_seg.data.unique().tolist()) <= {0, 1}
    assert np.array_equal(val[0]['data_samples'].gt_sem_seg.data[0].numpy(), own_masks // 255)


def test_all_classes_of_own_masks_are_learned(own_masks):
    from mmengine.config import Config
    from mmengine.dataset import pseudo_collate
    from mmseg.registry import MODELS

    from mmseg_bisenet_lite.engine.label_check_hook import require_fitting_heads

    (config,) = (block for block in blocks(ZOO, 'python') if 'of_all' in block)
    train, val = data_sets(config)
    assert train.kept_classes == ('wall', 'window', 'crack')
    shown = [set(train[0]['data_samples'].gt_sem_seg.data.unique().tolist()) for _ in range(20)]
    assert {0, 2} <= set().union(*shown) <= {0, 2, 255}
    assert np.array_equal(val[0]['data_samples'].gt_sem_seg.data[0].numpy(), own_masks // 255)
    model = MODELS.build(Config.fromfile('mine.py').model)
    require_fitting_heads(model, train)
    losses = model(**model.data_preprocessor(pseudo_collate([train[0], train[0]]), training=True), mode='loss')
    assert {name for name in losses if 'loss' in name} == {
        'decode.loss_hinge', 'aux_0.loss_hinge', 'aux_1.loss_ce', 'aux_2.loss_ce', 'aux_3.loss_ce'
    }  # fmt: skip
    assert all(loss.isfinite() for loss in losses.values())


def test_the_first_command_of_own_masks_writes_the_config_of_the_page(own_masks):
    Path('mine').mkdir()
    for part, kind in (('train', 'images'), ('trainannot', 'masks')):
        Path('data/mine', part).rename(Path('mine', kind))
    for file in [*Path('mine/images').iterdir(), *Path('mine/masks').iterdir()]:
        shutil.copy(file, file.with_name(f'2{file.suffix}'))
    shutil.rmtree('data')
    page = PAGES['configs/own/README.md']
    command = next(words for words in command_lines(page) if 'convert-masks' in words)
    run_here(*tool_of(command)[:1], *tool_of(command)[1])
    (config,) = blocks(page, 'python')
    assert Path('data/mine/mine.py').read_text().endswith(config)
    assert all(
        np.array_equal(each[0]['data_samples'].gt_sem_seg.data[0].numpy() > 0, own_masks > 0) for each in data_sets(config)[1:]
    )


def test_the_values_of_the_table_are_taken(own_masks):
    from mmseg_bisenet_lite import BinarySegDataset

    rows = re.findall(r'^\| [^|]+ \| `(\{.*?\})`', ZOO, re.MULTILINE)
    assert len(rows) == 4
    for row in rows:
        values = ast.literal_eval(row)
        dataset = BinarySegDataset(
            'crack', values=values, data_root='data/mine', data_prefix=dict(img_path='', seg_map_path='val'), lazy_init=True
        )
        assert dataset.vocabularies == {'.png': values}


def test_soft_masks_become_hard(own_masks):
    soft = Path('data/mine/valannot/1.png')
    cv2.imwrite(str(soft), cv2.blur(own_masks, (5, 5)))
    assert len(np.unique(cv2.imread(str(soft), 0))) > 2
    (block,) = (block for block in blocks(ZOO, 'bash') if 'cv2.imwrite' in block)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    subprocess.run([shutil.which('bash') or 'bash', '-euc', block], env={**os.environ, 'PATH': path}, check=True)
    assert np.unique(cv2.imread(str(soft), 0)).tolist() == [0, 255]


def test_messages_about_own_masks_are_in_the_pages(own_masks):
    from mmseg_bisenet_lite.datasets import CamVidBinaryDataset

    error = 'no class of the data set has the label value 255'
    assert f'`{error}`' in PAGES['mmseg_bisenet_lite/README.md']
    folders = dict(img_path='train', seg_map_path='trainannot')
    loaders = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    data = CamVidBinaryDataset('building', data_root='data/mine', data_prefix=folders, pipeline=loaders)
    with pytest.raises(ValueError, match=error):
        data[0]


@pytest.fixture(scope='module')
def openvino_file(small_config, small_checkpoint, tmp_path_factory):
    """Exported for frames of 128x64."""
    folder = tmp_path_factory.mktemp('exported')
    run_here('tools/export.py', small_config, small_checkpoint, '--format', 'openvino', '--size', '128x64', '--out', folder)
    (file,) = folder.glob('*.xml')
    return file


@pytest.fixture
def frames(toy):
    return [cv2.imread(str(file)) for file in sorted(toy.glob('leftImg8bit/val/*/*.png'))]


@pytest.mark.slow
def test_the_cpp_program_gives_the_segmenters_masks(openvino_file, frames, tmp_path):
    import openvino

    from mmseg_bisenet_lite.deploy import Segmenter

    compiler = shutil.which('g++')
    if compiler is None:
        pytest.skip('there is no g++ here')
    (program,) = blocks(DEPLOY, 'cpp')
    (tmp_path / 'segment.cpp').write_text(program)
    (command,) = re.findall(r'^g\+\+ (.*)$', DEPLOY, re.MULTILINE)
    folder = Path(openvino.__path__[0])
    library = next(folder.glob('libs/libopenvino.so.*'))
    arguments = command.replace('$OV/libs/libopenvino.so.*', str(library)).replace('$OV', str(folder)).split()
    done = subprocess.run([compiler, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    frames[0].tofile(tmp_path / 'frame')
    segment = [tmp_path / 'segment', openvino_file]
    output = subprocess.run([*segment, tmp_path / 'frame'], capture_output=True, check=True).stdout
    mask = np.frombuffer(output, np.uint8).reshape(64, 128)
    assert 0 < mask.mean() < 1
    assert np.array_equal(mask, Segmenter(openvino_file)(frames[0]))
    (tmp_path / 'short').write_bytes(frames[0].tobytes()[:-1])
    (tmp_path / 'long').write_bytes(frames[0].tobytes() + b'1')
    for name in ('missing', 'short', 'long'):
        refused = subprocess.run([*segment, tmp_path / name], capture_output=True, text=True)
        assert (refused.returncode, refused.stdout) == (1, '')
        assert 'not a frame' in refused.stderr


@pytest.mark.slow
def test_the_stream_paints_each_mask_over_its_frame(openvino_file, frames):
    from mmseg_bisenet_lite.deploy import Segmenter, paint

    painted = []

    def noted(*arguments):
        painted.append(paint(*arguments))

    segmenter = Segmenter(openvino_file)
    (program,) = (block for block in blocks(DEPLOY, 'python') if '.stream(' in block)
    exec(program, {'camera': iter(frames * 3), 'segmenter': segmenter, 'paint': noted})  # noqa: S102  our own page
    expected = [paint(frame, segmenter(frame), segmenter.metadata.palette) for frame in frames * 3]
    assert len(painted) == len(expected)
    assert all(np.array_equal(*pair) for pair in zip(painted, expected, strict=True))
