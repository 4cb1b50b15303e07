# As lite-s_hinge.py, with the network that is lite made thin: all heads learn the two classes, the auxiliary ones on the
# context at 1/8 and 1/16 and on the fused map.
_base_ = [
    '../_base_/models/lite_m.py',
    '../_base_/datasets/own.py',
    '../_base_/schedules/schedule_camvid_tuned.py',
    '../_base_/default_runtime.py',
]
_, *context_and_fused = _base_.model.auxiliary_head
two_classes = dict(num_classes=2, out_channels=2)
model = dict(
    decode_head=dict(foreground=None),
    auxiliary_head=[{**head, **two_classes} for head in context_and_fused],
    data_preprocessor=dict(size=_base_.crop_size),
)
work_dir = './work_dirs/own/{{ fileBasenameNoExtension }}'
default_hooks = dict(visualization=dict(interval=1))  # with --show-dir a picture of each image
