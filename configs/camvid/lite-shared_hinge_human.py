# The main head learns humans, the first auxiliary head vehicles.
_base_ = [
    '../_base_/models/lite_shared.py',
    '../_base_/datasets/camvid_human_shared.py',
    '../_base_/schedules/schedule_camvid_shared.py',
    '../_base_/default_runtime.py',
]
vehicle, human = _base_.groups
other, *classes = _base_.model.auxiliary_head
model = dict(
    decode_head=dict(foreground=human),
    auxiliary_head=[{**other, 'foreground': vehicle}, *classes],
    data_preprocessor=dict(size=_base_.crop_size),
)
work_dir = './work_dirs/camvid/{{ fileBasenameNoExtension }}'
