# Fast-SCNN with the heads of lite_shared.py on its three maps, to compare it with our networks: the main head and the other
# target's keep its depth-wise separable convolutions.
_base_ = 'mmseg::_base_/models/fast_scnn.py'
vehicle, human = (8,), (9, 10)  # numbers of CamVid's classes
own = _base_.model.decode_head
targets = {
    **own,
    'type': 'DepthwiseSeparableBinaryHingeHead',
    'num_classes': 2,
    'loss_decode': dict(type='BinaryHingeLoss'),
}
loss_decode = dict(type='CrossEntropyLoss', use_sigmoid=False, avg_non_ignore=True, loss_weight=0.4)
all_classes = dict(type='ClassHead', num_classes=11, out_channels=11, loss_decode=loss_decode)
classes = [{**head, **all_classes} for head in _base_.model.auxiliary_head]
model = dict(
    decode_head=dict(_delete_=True, **{**targets, 'foreground': vehicle}),
    auxiliary_head=[
        {**targets, 'foreground': human},
        *classes,
        {**classes[0], 'in_index': own.in_index, 'in_channels': own.in_channels},
    ],
)
