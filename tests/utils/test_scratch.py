import os
import signal
import time

from mmseg_bisenet_lite.utils import scratch
from mmseg_bisenet_lite.utils.scratch import scratch_folder


def test_it_is_removed_with_what_is_in_it(tmp_path):
    with scratch_folder(tmp_path, '.export-') as folder:
        assert folder.parent == tmp_path
        (folder / 'a').write_text('a')
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_its_folder_until_the_next_run_and_a_living_one_keeps_it(tmp_path):
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        with scratch_folder(tmp_path, '.export-') as folder:
            (folder / 'half.onnx').write_text('half')
            os.write(tell, b'.')
            time.sleep(60)
        os._exit(0)
    try:
        os.read(ready, 1)
        [left] = tmp_path.iterdir()
        with scratch_folder(tmp_path, '.export-'):
            assert (left / 'half.onnx').is_file()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(tell)
    assert left.is_dir()
    with scratch_folder(tmp_path, '.export-') as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_what_only_looks_like_one_stays(tmp_path):
    (tmp_path / 'data').mkdir()
    (tmp_path / '.export-12345678').symlink_to(tmp_path / 'data')
    (tmp_path / '.export-abcdefgh').write_text('a file')
    (tmp_path / '.export-notes').mkdir()
    before = set(tmp_path.iterdir())
    with scratch_folder(tmp_path, '.export-'):
        pass
    assert set(tmp_path.iterdir()) == before


def test_one_that_is_made_at_the_same_time_is_not_taken_for_one_that_was_left(tmp_path, monkeypatch):
    lock = scratch._lock

    def lock_late(folder):
        monkeypatch.setattr(scratch, '_lock', lock)
        with scratch_folder(tmp_path, '.export-'):
            pass
        return lock(folder)

    monkeypatch.setattr(scratch, '_lock', lock_late)
    with scratch_folder(tmp_path, '.export-') as folder:
        assert folder.is_dir()
