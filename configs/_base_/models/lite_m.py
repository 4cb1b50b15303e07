# Medium: the paper's network with thinner paths, fusion and heads, and one convolution in place of two where maps are large.
# It learns what lite_shared.py learns.
_base_ = './lite_shared.py'
head = dict(in_channels=64, channels=64)
model = dict(
    backbone=dict(
        backbone_cfg=dict(widths=((16,), (32,), (64, 64), (128, 128), (256, 256))),
        spatial_channels=(16, 32, 64, 64),
        context_channels=(64, 128, 256),
        out_channels=64,
    ),
    decode_head=head,
    auxiliary_head=[{**each, **head} for each in _base_.model.auxiliary_head],
)
