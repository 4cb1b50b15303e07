# Hinge loss on the main output; the two auxiliary outputs keep cross entropy.
_base_ = './r18.py'
model = dict(decode_head=dict(type='BinaryHingeHead', loss_decode=dict(_delete_=True, type='BinaryHingeLoss')))
