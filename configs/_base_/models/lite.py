# The paper's network: BiSeNet with LiteVGG as the context backbone.
_base_ = './r18.py'
model = dict(
    backbone=dict(
        context_channels=(128, 128, 256),  # of the path's output, and of the backbone's maps at 1/16 and 1/32
        backbone_cfg=dict(_delete_=True, type='LiteVGG'),
    )
)
