_base_ = './schedule_160k.py'
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=380, by_epoch=False)]
train_cfg = dict(max_iters=380, val_interval=190)
default_hooks = dict(checkpoint=dict(interval=190), logger=dict(interval=10), visualization=dict(interval=1))
randomness = dict(seed=0)
