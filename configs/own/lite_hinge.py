# For images and masks of your own; README.md beside it shows the config of a few lines that inherits it.
_base_ = [
    '../_base_/models/lite_hinge.py',
    '../_base_/datasets/own.py',
    '../_base_/schedules/schedule_camvid.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
work_dir = './work_dirs/own/{{ fileBasenameNoExtension }}'
default_hooks = dict(visualization=dict(interval=1))  # with --show-dir a picture of each image
