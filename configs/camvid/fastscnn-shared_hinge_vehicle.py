# Trained as lite-shared, for tools/search.py.
_base_ = [
    '../_base_/models/fastscnn_shared.py',
    '../_base_/datasets/camvid_vehicle_shared.py',
    '../_base_/schedules/schedule_camvid_shared.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
work_dir = './work_dirs/camvid/{{ fileBasenameNoExtension }}'
