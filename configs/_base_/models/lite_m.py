# Medium: lite_n.py with more channels and convolutions.
_base_ = './lite_n.py'
fused_head, context_head = dict(in_channels=48, channels=48), dict(in_channels=96, channels=96)
model = dict(
    backbone=dict(
        backbone_cfg=dict(widths=((32,), (48, 48), (96, 96, 96), (192, 192, 192), (256, 256))),
        context_channels=(96, 192, 256),
        out_channels=96,
        detail_channels=48,
    ),
    decode_head=fused_head,
    auxiliary_head=[{**head, **(context_head if head.in_index else fused_head)} for head in _base_.model.auxiliary_head],
)
