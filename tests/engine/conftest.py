import pytest
from mmengine.model import BaseTTAModel
from torch import nn


class TTA(BaseTTAModel):
    def __init__(self, module):
        nn.Module.__init__(self)
        self.module = module

    def merge_preds(self, data_samples_list):
        return []


@pytest.fixture
def tta():
    """Wraps a model as MMSegmentation does for test-time augmentation."""
    return TTA
