"""Shards on Ray: two workers on this machine share the files, load the network once each, and tell what failed."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.predict.on_ray import FILES, ShardResult, _Worker, check, run_shards, shards_of
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.mark.parametrize(('files', 'workers', 'shards'), [(3, 8, 3), (8, 8, 8), (5000, 2, 5), (FILES + 1, 1, 2), (0, 2, 0)])
def test_shards_are_enough_for_the_workers_and_not_too_large(files, workers, shards):
    assert shards_of(files, workers) == shards


def test_failures_are_one_error_that_names_the_first():
    check([ShardResult(1, done=2), ShardResult(2, skipped=1)])
    results = [ShardResult(number, failures=[f'{number}.png: damaged', 'again.png: damaged']) for number in range(1, 5)]
    with pytest.raises(InputError, match=r'^5 failed: 1\.png: damaged; again\.png: damaged; and 3 more$'):
        check(results, most=2)


def test_a_network_that_cannot_be_loaded_is_a_failure_of_each_shard(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load():
        raise InputError('m.onnx: there is no such file')

    worker = _Worker(load, 2, str(tmp_path))
    assert [row['failures'] for row in worker({'shard': np.array([1, 2])})['result']] == [['m.onnx: there is no such file']] * 2


@pytest.mark.slow
def test_two_workers_segment_a_folder(tmp_path, monkeypatch):
    pytest.importorskip('ray.data', reason='Ray, of the extra ray, is not installed')
    monkeypatch.chdir(tmp_path)
    frames = {f'{number}.png': np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8) for number in range(10)}
    Path('frames').mkdir()
    Path('out').mkdir()
    for name, frame in frames.items():
        assert cv2.imwrite(f'frames/{name}', frame)
    Path('frames/3.png').write_bytes(b'damaged')

    def load():  # sent to the workers as it is
        import time

        from mmseg_bisenet_lite.utils.images import read_image, write_image

        with Path('loaded').open('a') as file:
            file.write(f'{os.getpid()}\n')

        def run(number, shards):
            result = ShardResult(number)
            time.sleep(0.5)
            for file in sorted(Path('frames').iterdir())[number - 1 :: shards]:
                try:
                    mask = (read_image(file)[..., 0] > 127).astype(np.uint8)
                except InputError as error:
                    result.failures.append(error.line)
                    continue
                write_image(Path('out') / file.name, mask)
                result.done += 1
            return result

        return run

    shown = []
    results = run_shards(load, 5, 2, show=shown.append)
    assert [(result.shard, result.done, len(result.failures)) for result in results] == [
        (1, 2, 0),
        (2, 2, 0),
        (3, 2, 0),
        (4, 1, 1),
        (5, 2, 0),
    ]
    assert sorted(shown, key=lambda result: result.shard) == results
    loaded = Path('loaded').read_text().split()
    assert len(loaded) == len(set(loaded)) == 2
    assert str(os.getpid()) not in loaded
    assert {file.name for file in Path('out').iterdir()} == frames.keys() - {'3.png'}
    for file in Path('out').iterdir():
        assert np.array_equal(cv2.imread(str(file), 0), frames[file.name][..., 0] > 127)
    with pytest.raises(InputError, match=r'^1 failed: frames/3\.png: not a readable image'):
        check(results)
    import ray

    assert not ray.is_initialized()
