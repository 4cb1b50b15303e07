# For a class of one pixel in a hundred, which the schedule alone may never find; from a fifth of it on they are the same.
_base_ = './schedule_160k.py'
default_hooks = dict(foreground_weight=dict(type='ForegroundWeightHook', start=10.0, end=1.0, share=0.2))
