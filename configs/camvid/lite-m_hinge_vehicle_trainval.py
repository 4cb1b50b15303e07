# For the weights in the package: val is trained on too, so its scores say nothing about other photographs.
_base_ = './lite-m_hinge_vehicle.py'
train, val = _base_.train_dataloader.dataset, _base_.val_dataloader.dataset
train_dataloader = dict(
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[train, {**train, 'data_prefix': val.data_prefix}])
)
work_dir = './work_dirs/camvid/{{ fileBasenameNoExtension }}'
