# As schedule_camvid.py, but with AdamW: better for humans, not for vehicles, see configs/camvid/README.md.
_base_ = './schedule_camvid.py'
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.01))
