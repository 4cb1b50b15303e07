# What is not the paper's: colours are distorted too, and the weights are averaged. The network and its speed are the same.
_base_ = './lite_hinge_human.py'
train_pipeline = _base_.train_pipeline
train_pipeline.insert(3, dict(type='FastPhotoMetricDistortion'))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
default_hooks = dict(ema=dict(type='EMAHook', momentum=0.005, update_buffers=True))
work_dir = './work_dirs/camvid/{{ fileBasenameNoExtension }}'
