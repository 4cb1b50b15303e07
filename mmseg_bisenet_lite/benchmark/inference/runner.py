"""Runs the inference benchmark: at each size, all candidates side by side."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from mmseg_bisenet_lite.benchmark.devices import check_precision, clock_of, find_device, set_tf32
from mmseg_bisenet_lite.benchmark.energy import Clocks, Meter, describe
from mmseg_bisenet_lite.benchmark.environment import environment
from mmseg_bisenet_lite.benchmark.inference.candidates import Candidate, Settings, candidates, check_sizes
from mmseg_bisenet_lite.benchmark.inference.config import BenchmarkConfig
from mmseg_bisenet_lite.benchmark.inference.engines import ENGINES, Exported, find_exported, precisions_of
from mmseg_bisenet_lite.benchmark.inference.models import Model, load_models
from mmseg_bisenet_lite.benchmark.inference.results import Ceilings, Results, Row, check_accuracies, with_accuracy
from mmseg_bisenet_lite.benchmark.inference.roofline import Probe, matrix_product, memory_copy
from mmseg_bisenet_lite.benchmark.measure import Clock, Plan, Timings, measure
from mmseg_bisenet_lite.export.formats import FORMATS
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.cpu import usable_cores
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.malloc import keep_memory
from mmseg_bisenet_lite.utils.precision import PRECISIONS
from mmseg_bisenet_lite.utils.sizes import size_text

# The duration of measuring each device limit, at each size.
PROBE = Plan(seconds=0.5, half_width=0.0, rounds=3, turn_seconds=0.05, warm_up_seconds=0.5)


def settings_of(config: BenchmarkConfig) -> Settings:
    """Return the settings that the options of a benchmark ask for, checked.

    Raises:
        InputError: The device does not support an option, or two options do not go together.
    """
    settings = Settings(
        device=find_device(config.device),
        scopes=config.scope,
        precisions=config.precision,
        batch=config.batch,
        engines=config.engine,
        cuda_graph=config.cuda_graph,
        fuse=config.fuse,
        keep_memory=config.keep_memory,
    )
    check(settings, config.threads)
    return settings


def check(settings: Settings, threads: int | None) -> None:
    """Reject options that the device does not support.

    Args:
        settings: The options.
        threads: Threads of PyTorch's CPU operators; ``None`` is PyTorch's choice.

    Raises:
        InputError: The device does not support an option, or two options do not go together.
    """
    device = settings.device
    if settings.batch < 1:
        raise InputError(f'--batch {settings.batch}: give 1 image or more')
    for engine in (each for each in settings.engines if each not in ENGINES):
        precisions = precisions_of(engine)
        missing = [] if 'frame' in settings.scopes else ['--scope frame']
        missing += [] if {*settings.precisions} & {*precisions} else [f'--precision {" or ".join(precisions)}']
        if missing:
            raise InputError(
                f'--engine {engine}: runs only with {" and ".join(missing)}; add {"both" if missing[1:] else "it"}'
            )
    for engine, runtime in settings.runtimes.items():
        if device.type != 'cpu':
            raise InputError(f'--engine {engine}: is timed on the CPU; add --device cpu, or time files of tools/export.py')
        for library in runtime.libraries:
            require(library, ' '.join(runtime.libraries))
    for precision in settings.precisions:  # after what is wrong on every device
        check_precision(device, precision)
    if settings.fuse and settings.runtimes.keys() >= {*settings.engines}:
        raise InputError('--fuse: runtimes always fold batch norms; leave this option out, or add an engine of PyTorch')
    if settings.cuda_graph and not ENGINES.keys() & {*settings.engines}:
        raise InputError('--cuda-graph: records engines of PyTorch only; leave this option out, or add one')
    if settings.cuda_graph and (device.type != 'cuda' or torch.version.cuda is None):
        raise InputError(f'--cuda-graph: {device.type} has no CUDA graphs; leave this option out')
    if threads is not None and not 1 <= threads <= usable_cores():
        raise InputError(f'--threads {threads}: give 1 to {usable_cores()}, the cores that this process may use')


def prepare(settings: Settings, threads: int | None) -> None:
    """Set up the process.

    Args:
        settings: The settings, checked by :func:`check`.
        threads: Threads of PyTorch's CPU operators; ``None`` is PyTorch's choice.

    Raises:
        InputError: Freed memory cannot be kept.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if settings.keep_memory and not keep_memory():
        raise InputError('--keep-memory: needs the C library glibc, which is missing here; use --no-keep-memory')
    torch.manual_seed(0)  # for the initial weights
    torch.backends.cudnn.benchmark = True  # the sizes are fixed, as on a robot
    if settings.compiles:
        # All candidates recompile the same function; beyond this limit they would silently run eagerly.
        torch._dynamo.config.cache_size_limit = torch._dynamo.config.accumulated_cache_size_limit = 4096


def benchmark(config: BenchmarkConfig, progress: ReportProgress) -> Iterator[Results]:
    """Run the benchmark: load the models, and time them.

    Args:
        config: The options of the benchmark.
        progress: Called with the current step and the share that is done.

    Raises:
        InputError: A file is missing, or options do not go together.

    Yields:
        The results so far, after each size; the same object each time.
    """
    settings = settings_of(config)
    prepare(settings, config.threads)
    models = load_models(config.configs, config.checkpoint, config.peers)
    accuracies = dict(config.accuracy)
    check_accuracies(accuracies, [model.name for model in models])
    if config.exported and 'frame' not in config.scope:
        raise InputError('--exported: exported files run only with --scope frame; add it')
    sizes = list(dict.fromkeys(config.sizes))
    exported = find_exported(config.exported, models, sizes, settings.device)
    _check_twice(exported, settings, sizes)
    plan = Plan.lasting(config.seconds, config.half_width)
    for results in run(models, sizes, settings, plan, progress, exported):
        with_accuracy(results.rows, accuracies)
        yield results


def _check_twice(exported: Sequence[Exported], settings: Settings, sizes: Sequence[tuple[int, int]]) -> None:
    """Raise an :class:`InputError` if a file and an engine, or two files, would have rows of the same name."""
    rows: dict[tuple[str, str, str, tuple[int, int]], Exported] = {}
    for file in exported:
        precision = file.metadata.precision
        for size in filter(file.takes, sizes):
            if (first := rows.setdefault((file.model.name, file.file.suffix, precision, size), file)) is not file:
                what = f'both are {file.model.name} in {precision} at {size_text(size)}'
                raise InputError(
                    f'--exported {first.file} {file.file}: {what}, and their rows could not be told apart; drop one'
                )
        for engine, runtime in settings.runtimes.items():
            timed = {*runtime.precisions} & {*settings.precisions}
            if precision in timed and file.file.suffix == FORMATS[runtime.format]:
                raise InputError(
                    f'--exported {file.file}: --engine {engine} times this network in {precision} too; drop one of them'
                )


def run(
    models: Sequence[Model],
    sizes: Sequence[tuple[int, int]],
    settings: Settings,
    plan: Plan,
    progress: ReportProgress,
    exported: Sequence[Exported] = (),
) -> Iterator[Results]:
    """Time models and exported files.

    Args:
        models: The models to compare; the first is the reference.
        sizes: Sizes of the images, (width, height) in pixels.
        settings: The settings, checked by :func:`check`, in a process that :func:`prepare` has set up.
        plan: Duration of the measurement at each size.
        progress: Called with the current step and the share that is done.
        exported: Exported files of some models, timed beside them.

    Raises:
        InputError: A model does not support a size or an option.

    Yields:
        The results so far, after each size; the same object each time.
    """
    results = Results(environment(settings.device), _settings_record(settings, plan))
    meter = _meter(settings.device, results.notes)
    with _quiet():
        progress('checking the sizes', 0.0)
        check_sizes(models, sizes)
    for number, size in enumerate(sizes):
        with _quiet():
            say = partial(_say, progress, size, number, len(sizes))
            _measure_size(results, models, exported, size, settings, plan, meter, say)
        yield results


def _say(progress: ReportProgress, size: tuple[int, int], number: int, sizes: int, what: str, share: float = 0.0) -> None:
    progress(f'{size_text(size)}: {what}', (number + share) / sizes)


@contextmanager
def _quiet() -> Iterator[None]:
    """Disable gradients, and MMSegmentation's warnings about sizes for align_corners."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings('ignore', category=UserWarning, module='mmseg')
        yield


def _measure_size(
    results: Results,
    models: Sequence[Model],
    exported: Sequence[Exported],
    size: tuple[int, int],
    settings: Settings,
    plan: Plan,
    meter: Meter | None,
    say: Callable[..., None],
) -> None:
    """Time all candidates at one size, and add them to the results together."""
    clock = clock_of(settings.device)
    say('preparing the models')
    prepared = list(candidates(models, size, settings, exported))
    say('measuring the limits of the device')
    _raise_ceilings(results.ceilings, settings, clock)
    clocks: list[Clocks] = []

    def after_a_round(share: float) -> None:
        say('timing', share)
        if meter:
            clocks.append(meter.clocks())

    timings = measure([c.call for c in prepared], clock, plan, after_a_round, _compared(prepared))
    results.rows += [_row(c, timing, settings, meter, clock) for c, timing in zip(prepared, timings, strict=True)]
    results.notes += _notes(prepared, clocks, size)


def _compared(prepared: Sequence[Candidate]) -> list[tuple[int, int]]:
    """Return the pairs that the tables compare, as indices (reference, candidate).

    The references are the first candidate of the scope, and the first one of the scope, engine and precision.
    """
    pairs: dict[tuple[int, int], None] = {}
    for index, candidate in enumerate(prepared):
        same_scope = [i for i, other in enumerate(prepared) if other.scope == candidate.scope]
        same_way = [
            i for i in same_scope if (prepared[i].engine, prepared[i].precision) == (candidate.engine, candidate.precision)
        ]
        pairs |= {(reference, index): None for reference in (same_scope[0], same_way[0]) if reference != index}
    return list(pairs)


def _notes(prepared: Sequence[Candidate], clocks: Sequence[Clocks], size: tuple[int, int]) -> list[str]:
    where = size_text(size)
    broken = [f'{c.model.name} ({c.scope}, {c.engine}, {c.precision}): {c.graph_breaks}' for c in prepared if c.graph_breaks]
    notes = [f'{where}: torch.compile ran some parts eagerly. Graph breaks: {", ".join(broken)}.'] if broken else []
    return notes + ([f'{where}: GPU clock while timing: {describe(clocks)}.'] if clocks else [])


def _settings_record(settings: Settings, plan: Plan) -> dict[str, Any]:
    record = {**vars(settings), 'device': str(settings.device)}
    lists = {name: list(record[name]) for name in ('scopes', 'precisions', 'engines')}
    return {**record, **lists, 'plan': vars(plan)}


def _meter(device: torch.device, notes: list[str]) -> Meter | None:
    if device.type != 'cuda' or torch.version.cuda is None:
        return None
    try:
        return Meter(device)
    except RuntimeError as error:
        notes.append(f'Energy was not measured: {error}.')
        return None


def _row(candidate: Candidate, timing: Timings, settings: Settings, meter: Meter | None, clock: Clock) -> Row:
    model = candidate.model
    return Row(
        model=model.name,
        config=model.config,
        checkpoint=model.checkpoint,
        paper=model.paper,
        scope=candidate.scope,
        precision=candidate.precision,
        engine=candidate.engine,
        size=candidate.size,
        batch=settings.batch,
        parameters=model.parameters,
        operations=candidate.operations,
        rounds=timing.rounds,
        warm_up=timing.warm_up,
        settled=timing.settled,
        peak_bytes=candidate.peak_bytes,
        changed=candidate.changed,
        energy=meter.read(candidate.call, clock) if meter else None,
    )


def _raise_ceilings(ceilings: Ceilings, settings: Settings, clock: Clock) -> None:
    """Measure the device limits again, and keep the best values of the run."""
    probes: list[Probe] = [memory_copy(settings.device)]
    probes += [matrix_product(settings.device, PRECISIONS[precision].dtype) for precision in settings.precisions]
    for precision, probe in zip((None, *settings.precisions), probes, strict=True):
        if settings.device.type == 'cuda':
            set_tf32(precision is not None and PRECISIONS[precision].tf32)
        (timing,) = measure([probe.call], clock, PROBE)
        best = probe.amount / min(min(turn) for turn in timing.rounds)
        if precision is None:
            ceilings.bandwidth = max(ceilings.bandwidth, best)
        else:
            ceilings.flops[precision] = max(ceilings.flops.get(precision, 0.0), best)
