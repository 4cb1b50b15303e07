# Medium: the paper's network with thin paths, fusion and heads. It learns what lite_shared.py learns.
_base_ = './lite_shared.py'
model = dict(
    backbone=dict(spatial_channels=(16, 32, 64, 64), context_channels=(64, 128, 256), out_channels=64),
    decode_head=dict(in_channels=64, channels=64),
    auxiliary_head=[{**head, 'in_channels': 64, 'channels': 64} for head in _base_.model.auxiliary_head],
)
