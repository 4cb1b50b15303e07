# Train and val together, for training as for tests. `drives` of each folder takes some of CamVid's drives, so that others are
# left to test on; without it all test photographs have been trained on.
_base_ = './camvid_vehicle.py'
train_set, test_set = _base_.train_dataloader.dataset, _base_.val_dataloader.dataset
folders = [each.data_prefix for each in (train_set, test_set)]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[{**train_set, 'data_prefix': folder} for folder in folders],
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[{**test_set, 'data_prefix': folder} for folder in folders],
    )
)
test_dataloader = val_dataloader
