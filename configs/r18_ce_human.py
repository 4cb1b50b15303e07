_base_ = [
    './_base_/models/r18.py',
    './_base_/datasets/cityscapes_human.py',
    './_base_/schedules/schedule_160k_rare.py',
    './_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
