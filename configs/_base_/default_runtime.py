_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['mmseg_bisenet_lite'], allow_failed_imports=False)
visualizer = dict(alpha=0.5)
