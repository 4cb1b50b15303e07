# Nano: convolutions of stride 2 in place of pools, the backbone's map at 1/8 in place of the spatial path's, and heads on a
# fused map at 1/4. It learns what lite_shared.py learns.
_base_ = './lite_shared.py'
fused_head, context_head = dict(in_channels=16, channels=16), dict(in_channels=48, channels=48)
model = dict(
    backbone=dict(
        backbone_cfg=dict(strided=True, widths=((16,), (24, 24), (48, 48), (96, 96), (128, 128))),
        spatial_channels=None,
        context_channels=(48, 96, 128),
        out_channels=48,
        detail_channels=16,
    ),
    decode_head=fused_head,
    auxiliary_head=[{**head, **(context_head if head.in_index else fused_head)} for head in _base_.model.auxiliary_head],
)
