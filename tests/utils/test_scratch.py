import subprocess
import sys

from mmseg_bisenet_lite.utils.scratch import scratch_folder

HOLD = """
import sys, time
from pathlib import Path
from mmseg_bisenet_lite.utils.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1]), '.export-') as folder:
    (folder / 'half.onnx').write_text('half')
    print(folder.name, flush=True)
    time.sleep(60)
"""


def test_it_is_removed_with_what_is_in_it(tmp_path):
    with scratch_folder(tmp_path, '.export-') as folder:
        assert folder.parent == tmp_path
        (folder / 'a').write_text('a')
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_its_folder_until_the_next_run_and_a_living_one_keeps_it(tmp_path):
    process = subprocess.Popen([sys.executable, '-c', HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        left = tmp_path / process.stdout.readline().strip()
        with scratch_folder(tmp_path, '.export-'):
            assert (left / 'half.onnx').is_file()
    finally:
        process.kill()
        process.communicate()
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
