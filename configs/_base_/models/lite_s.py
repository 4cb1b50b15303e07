# Small: more and narrower convolutions than lite_n.py, with shortcuts, and Fast-SCNN's neck and head in place of BiSeNet's
# paths. It learns what lite_shared.py learns.
_base_ = './lite_shared.py'
norm_cfg = dict(type='SyncBN', requires_grad=True, momentum=0.01)  # Fast-SCNN's
target_head = dict(type='DepthwiseSeparableBinaryHingeHead', in_channels=128, channels=128, num_convs=2, norm_cfg=norm_cfg)
# On the context at 1/32, the backbone's map at 1/8 and the fused one at 1/8.
class_heads = [dict(in_channels=channels, channels=32, norm_cfg=norm_cfg) for channels in (128, 40, 128)]
target, *classes = _base_.model.auxiliary_head
model = dict(
    backbone=dict(
        _delete_=True,
        type='LiteVGG',
        widths=((16,), (24, 24), (40,) * 3, (64,) * 5, (96,) * 4),
        strided=True,
        residual=True,
        norm_cfg=norm_cfg,
    ),
    neck=dict(type='PyramidFusion', in_channels=(40, 96), out_channels=128, norm_cfg=norm_cfg),
    decode_head=target_head,
    auxiliary_head=[{**target, **target_head}, *({**head, **own} for head, own in zip(classes, class_heads, strict=True))],
)
