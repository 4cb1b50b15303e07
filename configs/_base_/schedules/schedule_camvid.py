# For a few hundred small photographs; on 2 cores about half an hour.
_base_ = './schedule_160k.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=100, end=4000, by_epoch=False),
]
train_cfg = dict(max_iters=4000, val_interval=1000)
default_hooks = dict(
    checkpoint=dict(interval=1000, max_keep_ckpts=2),
    # A person is one pixel in a hundred here.
    foreground_weight=dict(type='ForegroundWeightHook', start=10.0, end=1.5, share=0.6),
)
