# The same training with humans in the main head, and vehicles in the first auxiliary head.
_base_ = './lite-n_hinge_vehicle.py'
vehicle, human = _base_.groups
dataset_type = 'CamVidHumanDataset'
train_dataloader = dict(dataset=dict(type=dataset_type))
val_dataloader = dict(dataset=dict(type=dataset_type))
test_dataloader = val_dataloader
other, *classes = _base_.model.auxiliary_head
model = dict(decode_head=dict(foreground=human), auxiliary_head=[{**other, 'foreground': vehicle}, *classes])
work_dir = './work_dirs/camvid/{{ fileBasenameNoExtension }}'
