"""Trained networks for MMSegmentation's inference functions."""

from mmseg.apis import init_model as host_init_model
from mmseg.models import BaseSegmentor

from mmseg_bisenet_lite.models.batch_norms import fold_batch_norms
from mmseg_bisenet_lite.models.decision import set_threshold
from mmseg_bisenet_lite.pretrained.loading import pretrained_config
from mmseg_bisenet_lite.pretrained.names import with_scheme


def init_model(name: str, device: str = 'cpu', threshold: str | float | None = None, fuse: bool = False) -> BaseSegmentor:
    """Load a trained network for ``inference_model`` and ``show_result_pyplot``, like MMSegmentation's ``init_model``.

    Args:
        name: Name of the weights, one of :func:`~mmseg_bisenet_lite.pretrained.names`, with or without ``bisenet-lite://``.
        device: PyTorch device to run on, such as ``'cpu'`` or ``'cuda:0'``.
        threshold: Threshold of the margin: ``None`` is 0, as in training; ``'best'`` is the one with the highest F1 on val;
            ``'recall=R'`` and ``'precision=P'`` had at least this share on val; or a number.
        fuse: Fold the batch norms into the convolutions: the same masks in less time, but no more training.

    Raises:
        InputError: There are no such weights, or no such threshold.

    Example:
        >>> model = init_model('lite-shared_hinge_vehicle_camvid')
        >>> mask = inference_model(model, 'street.jpg').pred_sem_seg.data[0]  # (H, W), 1 is vehicle
    """
    checkpoint = with_scheme(name)
    model: BaseSegmentor = host_init_model(pretrained_config(name), checkpoint, device=device)
    if threshold is not None:
        set_threshold(model, threshold, checkpoint)
    if fuse:
        fold_batch_norms(model)
    return model
