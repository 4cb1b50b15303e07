# BiSeNet with ResNet-18 as the context backbone, for two classes.
_base_ = 'mmseg::_base_/models/bisenetv1_r18-d32.py'
# The mean over the pixels that are not ignored, as in PyTorch and in the hinge loss.
loss_decode = dict(type='CrossEntropyLoss', use_sigmoid=False, avg_non_ignore=True, loss_weight=1.0)
two_classes = dict(num_classes=2, out_channels=2, loss_decode=loss_decode)
model = dict(
    backbone=dict(type='BiSeNetLite'),
    decode_head=two_classes,
    # A list is replaced, not merged, so both heads are taken over whole.
    auxiliary_head=[{**head, **two_classes} for head in _base_.model.auxiliary_head],
)
