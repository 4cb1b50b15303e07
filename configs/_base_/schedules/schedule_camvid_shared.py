# For networks that learn all classes, from photographs that are changed a lot: longer, with AdamW.
_base_ = './schedule_camvid_tuned.py'
