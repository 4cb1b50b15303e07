"""With a benchmark and an export that take no time; tests/tools/test_search.py times."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from mmseg_bisenet_lite.benchmark.inference import Results
from mmseg_bisenet_lite.search import SearchConfig, speed
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Time candidates by name; returns the options of the benchmarks and of the exports that were made."""
    made = SimpleNamespace(benchmarks=[], exports=[], broken='', environment={'device': 'a CPU', 'threads': 2})

    def benchmark(config, progress):
        made.benchmarks.append(config)
        yield Results(made.environment, {}, rows=[])

    def export(config, progress):
        made.exports.append(config)
        files = [config.out / config.file_name(name, 'int8') for name in config.format]
        config.out.mkdir(parents=True, exist_ok=True)
        results = []
        for file in files:
            failure = 'masks differ' if made.broken and made.broken in str(file) else None
            if failure is None:
                file.touch()
            results.append(SimpleNamespace(file=file, failure=failure))
        return results

    monkeypatch.setattr(speed, 'benchmark', benchmark)
    monkeypatch.setattr(speed, 'export', export)
    monkeypatch.setattr(speed, 'environment', lambda device: {'device': made.environment['device'], 'threads': 9})

    def time(*names, weights=b'1', **options):
        search = SearchConfig([], tmp_path, threads=2, **options)
        trainings = {}
        for name in names:
            folder = tmp_path / name / 'seed0'
            folder.mkdir(parents=True, exist_ok=True)
            (folder / 'iter_9.pth').write_bytes(name.encode() + weights)
            trainings[name] = SimpleNamespace(folder=folder, checkpoint=folder / 'iter_9.pth')
        return speed.time_all(search, {name: Path(f'{name}.py') for name in names}, trainings, lambda what, done: None)

    time.made, time.out = made, tmp_path
    return time


def test_what_is_timed_is_kept_as_long_as_nothing_changes(run):
    run('a', 'b')
    run('a', 'b')
    assert len(run.made.benchmarks) == 1
    (config,) = run.made.benchmarks
    assert (config.configs, config.scope, config.sizes, config.threads) == (['a.py', 'b.py'], ['frame'], [(640, 360)], 2)
    for number, change in enumerate(
        (
            lambda: run('a', 'b', 'c'),
            lambda: run('b', 'a'),  # which is another reference
            lambda: run('b', 'a', weights=b'2'),
            lambda: run('b', 'a', weights=b'2', size=(64, 32)),
            lambda: run('b', 'a', weights=b'2', precision=('fp32', 'bf16')),
        )
    ):
        change()
        change()
        assert len(run.made.benchmarks) == number + 2
    run.made.environment = {'device': 'another CPU', 'threads': 2}
    run('b', 'a', weights=b'2', precision=('fp32', 'bf16'))
    assert len(run.made.benchmarks) == 7


def test_int8_files_are_made_once_for_the_weights_and_the_size(run):
    ways = dict(precision=('fp32', 'int8'), engine=('openvino', 'onnxruntime'))
    _, failed = run('a', **ways)
    run('a', **ways)
    assert not failed
    (config,) = run.made.exports
    assert (config.precision, config.format, config.size) == (['int8'], ['openvino', 'onnx'], (640, 360))
    assert config.config == str(run.out / 'a' / 'seed0' / 'config.py')
    assert [Path(file).suffix for file in run.made.benchmarks[0].exported] == ['.xml', '.onnx']
    assert run.made.benchmarks[0].precision == ['fp32']
    run('a', weights=b'2', **ways)
    run('a', weights=b'2', **ways, size=(64, 32))
    run('a', weights=b'2', **ways, size=(64, 32))
    assert len(run.made.exports) == 3
    assert not {*run.made.benchmarks[0].exported} & {*run.made.benchmarks[1].exported}


def test_an_int8_file_that_fails_is_told_and_left_out(run):
    run.made.broken = '.xml'
    _, failed = run('a', precision=('fp32', 'int8'), engine=('openvino', 'onnxruntime'))
    assert failed == ['a, int8, .xml: not timed: masks differ']
    assert [Path(file).suffix for file in run.made.benchmarks[0].exported] == ['.onnx']
    run('a', precision=('fp32', 'int8'), engine=('openvino', 'onnxruntime'))
    assert run.made.exports[-1].format == ['openvino']  # tried again


def test_speeds_that_cannot_be_read_stop_before_anything_is_trained(run):
    (run.out / 'speed.json').write_text('{')
    with pytest.raises(InputError, match=r'speed\.json: not a result of tools/search.py; delete it'):
        speed.check_ways(SearchConfig([], run.out, engine=('openvino',)))
    assert speed.check_ways(SearchConfig([], run.out / 'none', engine=('openvino',))) is None


def test_two_searches_do_not_time_at_once(run):
    with speed.alone_in(run.out, 'speed.lock'), pytest.raises(InputError, match='another process is timing here'):
        run('a')
