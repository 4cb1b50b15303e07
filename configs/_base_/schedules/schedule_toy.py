_base_ = './schedule_160k.py'
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=200, by_epoch=False)]
train_cfg = dict(max_iters=200, val_interval=100)
default_hooks = dict(checkpoint=dict(interval=100), logger=dict(interval=10))
randomness = dict(seed=0)
