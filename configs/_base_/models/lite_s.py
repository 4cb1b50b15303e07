# Small: lite_n.py with more and narrower convolutions, and shortcuts around those that keep the shape of their maps.
_base_ = './lite_n.py'
model = dict(
    backbone=dict(
        backbone_cfg=dict(widths=((16,), (24, 24), (40,) * 3, (64,) * 5, (96,) * 4), residual=True),
        context_channels=(48, 64, 96),
    ),
)
