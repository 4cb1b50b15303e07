# As schedule_camvid_tuned.py, but three times as long: there is more to learn, from photographs that are changed.
_base_ = './schedule_camvid_tuned.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=100, end=12000, by_epoch=False),
]
train_cfg = dict(max_iters=12000)
