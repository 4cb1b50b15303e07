from mmseg_bisenet_lite import compat


def test_every_fix_is_told():
    assert set(compat.apply_fixes()) == {fix.name for fix in compat.FIXES}
    assert all(fix.broken and fix.delete_when for fix in compat.FIXES)
    assert compat.apply_fixes()['compiled-ops'] == (compat.host_name() == 'OpenMMLab' and compat.version('mmcv') is None)
