# As schedule_camvid_tuned.py, but longer, for photographs that are changed and for more to learn.
_base_ = './schedule_camvid_tuned.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=100, end=5500, by_epoch=False),
]
train_cfg = dict(max_iters=5500)
