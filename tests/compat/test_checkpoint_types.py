import threading
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner.checkpoint import CheckpointLoader

from mmseg_bisenet_lite.utils.errors import InputError


class Call:
    """Pickles as a call, and a state that is restored after it."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def loaded(content, file):
    torch.save(dict(state_dict={}, content=content), file)
    return CheckpointLoader.load_checkpoint(str(file), 'cpu')['content']


NUMBERS = st.one_of(
    hnp.boolean_dtypes(), hnp.integer_dtypes(endianness='?'), hnp.floating_dtypes(endianness='?'), hnp.complex_number_dtypes()
)


@settings(max_examples=60)
@given(hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, min_side=0, max_side=4)), st.booleans())
def test_arrays_of_numbers_come_back(tmp_path_factory, array, by_columns):
    array = np.asfortranarray(array) if by_columns else array
    found = loaded([array, array.reshape(-1)[:1]], tmp_path_factory.getbasetemp() / 'numbers.pth')
    assert type(found[0]) is np.ndarray
    assert found[0].dtype == array.dtype
    assert found[0].flags.writeable
    np.testing.assert_array_equal(found[0], array)


@pytest.mark.parametrize('number', [np.float64(0.5), np.float32(0.5), np.int64(-3), np.bool_(True), np.uint8(200)])
def test_numbers_come_back(tmp_path, number):
    found = loaded(number, tmp_path / 'a.pth')
    assert (type(found), found) == (type(number), number)


def test_containers_come_back(tmp_path):
    shared = [1, 2.5, None]
    content = dict(
        a=OrderedDict(x=(1, 'é')), b=Counter('aab'), c={3}, d=b'\x00', e=torch.Size([2]), f=torch.float16, g=[shared] * 2
    )
    found = loaded(content, tmp_path / 'a.pth')
    assert found == content
    assert [type(each) for each in found.values()] == [type(each) for each in content.values()]
    assert found['g'][0] is found['g'][1]


def test_the_versions_of_modules_are_kept(tmp_path):
    weights = torch.nn.BatchNorm2d(3).state_dict()
    found = loaded(weights, tmp_path / 'a.pth')
    assert found._metadata == weights._metadata
    assert found._metadata['']['version'] == 2


POINTERS = b'A' * 16


def history(**changes):
    buffer = HistoryBuffer([0.0, 0.0], [1, 1])
    vars(buffer).update(changes)
    return buffer


def nested(depth):
    content = []
    for _ in range(depth):
        content = [content]
    return content


def ring():
    content = []
    content.append(content)
    return content


def shadowed():
    content = OrderedDict(a=1)
    content.keys = 'no method'
    return content


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (Call(np.ndarray, (2,), Call(np.dtype, 'O'), POINTERS), 'it holds numpy.ndarray'),
        (Call(np.ndarray, 10**6, 'u1'), 'it holds numpy.ndarray'),
        (Call(np.dtype, 'f8'), 'it holds numpy.dtype'),
        (np.ndarray, 'it holds numpy.ndarray'),
        (np.array([None, {}]), "a NumPy array of type 'O8', and only numbers are loaded"),
        (np.array(['a']), 'and only numbers are loaded'),
        (np.array([b'a']), 'and only numbers are loaded'),
        (np.zeros(1, 'f8,O'), 'and only numbers are loaded'),
        (np.zeros(1, 'V8'), 'and only numbers are loaded'),
        (np.zeros(1, 'M8[s]'), 'and only numbers are loaded'),
        (
            Call(np.zeros(1).__reduce__()[0], np.ndarray, (0,), b'b', state=(1, (2,), Call(np.dtype, 'O'), False, POINTERS)),
            'only numbers',
        ),
        (
            Call(np.zeros(1).__reduce__()[0], np.ndarray, (0,), b'b', state=(1, (3,), np.dtype('f8'), False, POINTERS)),
            'does not fit its shape',
        ),
        (
            Call(np.zeros(1).__reduce__()[0], np.ndarray, (0,), b'b', state=(1, (-1, -2), np.dtype('f8'), False, POINTERS)),
            'without a shape',
        ),
        (
            Call(
                np.zeros(1).__reduce__()[0],
                np.ndarray,
                (0,),
                b'b',
                state=(1, (2**40, 2**40, 0), np.dtype('f8'), False, POINTERS),
            ),
            'does not fit',
        ),
        (Call(np.zeros(1).__reduce__()[0], np.ndarray, (10**12,), b'b'), 'not written by NumPy'),
        (Call(np.zeros(1).__reduce__()[0], np.ndarray, (0,), b'b', state='ab'), 'not written by NumPy'),
        (Call(np.float64(0).__reduce__()[0], np.dtype('f8'), b'abc'), 'not written by NumPy'),
        (Call(np.float64(0).__reduce__()[0], Call(np.dtype, 'O'), b'A' * 8), 'only numbers'),
        (Call(HistoryBuffer, [[]], [1]), 'not written by MMEngine'),
        (history(mean='shadowed'), 'not written by MMEngine'),
        (history(_log_history=[1, 2]), 'not written by MMEngine'),
        (history(_log_history=np.zeros(3)), 'not written by MMEngine'),
        (history(max_length='a'), 'not written by MMEngine'),
        (history(max_length=1), 'longer than it may be'),
        (OneCycleParamScheduler, 'it holds mmengine.optim.scheduler'),
        (
            Call(getattr, OneCycleParamScheduler, '_get_value'),
            r"it would run getattr\(.*OneCycleParamScheduler, '_get_value'\)",
        ),
        (Call(getattr, 'a', '__class__'), 'it would run getattr'),
        (torch.Tensor, 'it holds a '),
        (nested(60), 'nested too deeply'),
        (ring(), 'nested too deeply'),
        ({torch.float16: 1}, 'for a key'),
    ],
)
def test_everything_else_is_refused(tmp_path, content, reason):
    before = dict(HistoryBuffer._statistics_methods)
    with pytest.raises(InputError, match=rf'a\.pth: refused: .*{reason}') as error:
        loaded(content, tmp_path / 'a.pth')
    assert '\n' not in str(error.value)
    assert HistoryBuffer._statistics_methods == before


def test_a_file_gives_no_attributes(tmp_path):
    assert list(loaded(shadowed(), tmp_path / 'a.pth').keys()) == ['a']


def test_a_file_that_doubles_itself_is_read_once(tmp_path):
    content = []
    for _ in range(40):
        content = [content, content]
    assert len(loaded(content, tmp_path / 'a.pth')) == 2


def test_functions_of_a_history_stay_the_processs_own(tmp_path, monkeypatch):
    for name, function in (('a', HistoryBuffer.max), ('b', torch.Tensor)):
        with monkeypatch.context() as while_saved:
            while_saved.setitem(HistoryBuffer._statistics_methods, 'mean', function)
            torch.save(dict(state_dict={}, loss=history()), tmp_path / f'{name}.pth')
    assert CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))['loss'].statistics('mean') == 0
    assert HistoryBuffer._statistics_methods['mean'] is HistoryBuffer.mean
    with pytest.raises(InputError, match='it would run getattr'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'b.pth'))


def test_eight_threads_load_at_once(tmp_path):
    good, evil = tmp_path / 'good.pth', tmp_path / 'evil.pth'
    torch.save(dict(state_dict={}, loss=HistoryBuffer([0.5], [1])), good)
    torch.save(dict(state_dict={}, loss=Call(open, str(tmp_path / 'victim'), 'w')), evil)
    wrong = []

    def work():
        for _ in range(20):
            try:
                assert CheckpointLoader.load_checkpoint(str(good), 'cpu')['loss'].mean() == 0.5
            except Exception as error:
                wrong.append(error)
            try:
                CheckpointLoader.load_checkpoint(str(evil), 'cpu')
                wrong.append('loaded')
            except InputError:
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert not (tmp_path / 'victim').exists()


def test_other_calls_of_torch_load_are_left_as_they_were(tmp_path):
    torch.save(dict(array=np.zeros(1)), tmp_path / 'a.pth')
    with pytest.raises(Exception, match='Unsupported global: GLOBAL numpy'):
        torch.load(tmp_path / 'a.pth', weights_only=True)
    assert torch.load(tmp_path / 'a.pth', weights_only=False)['array'] == [0]
    assert CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))['array'] == [0]
