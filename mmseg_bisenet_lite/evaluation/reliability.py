"""Tables and a diagram of how well probabilities fit."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mmseg_bisenet_lite.evaluation.calibration import RELIABILITY_BINS, Forecast
from mmseg_bisenet_lite.utils.colours import COLOURS
from mmseg_bisenet_lite.utils.files import atomic_write, write_text
from mmseg_bisenet_lite.utils.tables import Table, markdown_tables

BANDS = (0.5, 0.8, 0.9, 0.95, 0.99)


def write_reliability(file: Path, raw: Forecast, crossed: Forecast | None, fitted: Forecast | None) -> None:
    """Write the tables, and the diagram beside them.

    Args:
        file: Markdown file for the tables; the diagram gets the suffix ``.png``.
        raw: Sigmoid of the margin.
        crossed: The calibrated probability, cross-fitted; ``None`` if it cannot be fitted.
        fitted: The calibrated probability on the pixels of its fit; ``None`` if it cannot be fitted.
    """
    named = {'sigmoid of the margin': raw, 'calibrated, cross-fitted': crossed, 'calibrated, on the fit itself': fitted}
    forecasts = {name: forecast for name, forecast in named.items() if forecast is not None}
    errors = [[name, f'{100 * each.error:.2f}', f'{each.log_loss:.4f}'] for name, each in forecasts.items()]
    tables = [Table('calibration', ['probability', 'ECE, %', 'log loss, nats'], errors)]
    if crossed is not None:
        tables += [_bins(crossed), _bands(crossed)]
    write_text(file, markdown_tables(tables, []))
    with atomic_write(file.with_suffix('.png')) as temporary:
        shown = {name: each for name, each in forecasts.items() if each is not fitted}
        diagram(shown).savefig(temporary, format='png', dpi=110)


def _bins(forecast: Forecast) -> Table:
    rows = []
    for number, (expected, foreground, pixels) in enumerate(forecast.bins().T):
        if pixels:
            edges = f'{number / RELIABILITY_BINS:.2f} to {(number + 1) / RELIABILITY_BINS:.2f}'
            rows.append([edges, f'{expected / pixels:.3f}', f'{foreground / pixels:.3f}', f'{pixels:,.0f}'])
    return Table('reliability, cross-fitted', ['probability', 'mean', 'share of foreground', 'pixels'], rows)


def _bands(forecast: Forecast) -> Table:
    rows = []
    for p in BANDS:
        pixels, foreground, wrong = (f'{100 * share:.2f}' for share in forecast.abstaining(p))
        rows.append([f'{p:g}', pixels, foreground, wrong])
    headings = ['P', 'undecided, % of pixels', 'undecided, % of foreground', 'wrong, % of decided pixels']
    return Table('abstaining below probability P, cross-fitted', headings, rows)


def diagram(forecasts: dict[str, Forecast]) -> Figure:
    """Return a reliability diagram: for each bin of the probability the share of foreground; below it the pixels of each bin.

    Args:
        forecasts: Names for the legend, and what to draw.
    """
    figure = Figure(figsize=(4.2, 5.2), layout='constrained')
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color='0.6', linestyle='--', linewidth=1)
    for colour, marker, (name, forecast) in zip(COLOURS, 'os^D', forecasts.items(), strict=False):
        expected, foreground, pixels = forecast.bins()
        some = pixels > 0
        label = f'{name}: ECE {100 * forecast.error:.2f} %'
        above.plot(expected[some] / pixels[some], foreground[some] / pixels[some], f'{marker}-', color=colour, label=label)
        edges = np.linspace(0, 1, RELIABILITY_BINS + 1)
        below.stairs(100 * pixels / pixels.sum(), edges, color=colour)
    above.set(ylabel='share of foreground', xlim=(0, 1), ylim=(0, 1))
    above.legend(loc='upper left', fontsize='small')
    below.set(xlabel='probability of foreground', ylabel='pixels, %', yscale='log')
    for axes in (above, below):
        axes.grid(color='0.9')
    return figure
