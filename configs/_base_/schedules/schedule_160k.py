# The paper's SGD and BiSeNet's poly policy, as long as MMSegmentation trains its BiSeNetV1.
_base_ = 'mmseg::_base_/schedules/schedule_160k.py'
optim_wrapper = dict(type='AutoAmpOptimWrapper', optimizer=dict(lr=0.025, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=160000, by_epoch=False)]
# In default_hooks, since a child config replaces custom_hooks whole.
default_hooks = dict(
    checkpoint=dict(save_best='mIoU'),
    label_check=dict(type='LabelCheckHook'),
    strict_checkpoint=dict(type='StrictCheckpointHook'),
    threshold=dict(type='ThresholdHook'),
    calibrated_decision=dict(type='CalibratedDecisionHook'),
)
