# BiSeNet with ResNet-18 as the context backbone, for two classes.
_base_ = 'mmseg::_base_/models/bisenetv1_r18-d32.py'
model = dict(
    backbone=dict(type='BiSeNetLite'),
    decode_head=dict(num_classes=2, out_channels=2),
    # A list is replaced, not merged, so both heads are taken over whole.
    auxiliary_head=[dict(head, num_classes=2, out_channels=2) for head in _base_.model.auxiliary_head],
)
