import platform

import pytest

from mmseg_bisenet_lite.utils.cpu import cpu_features


@pytest.mark.parametrize(
    ('line', 'features'),
    [
        ('flags\t\t: fpu avx512f avx2 avx512_vnni avx5 sse', 'avx2 avx512f avx512_vnni'),
        ('flags : fpu avx2', 'avx2'),
        ('Features\t: fp asimd asimddp', 'asimddp'),
    ],
)
def test_the_instructions_that_matter_are_named(tmp_path, line, features):
    (tmp_path / 'cpuinfo').write_text(f'processor : 0\nmodel name : flags\n{line}\n\nprocessor : 1\n')
    assert cpu_features(tmp_path / 'cpuinfo') == f'{platform.machine()} {features}'


def test_elsewhere_only_the_kind_of_cpu_is_known(tmp_path):
    assert cpu_features(tmp_path / 'absent') == platform.machine()
