import cv2
import numpy as np

from mmseg_bisenet_lite.evaluation.calibration import Forecast
from mmseg_bisenet_lite.evaluation.reliability import diagram, write_reliability

# Groups of pixels: 90 of probability 0.1, of which 9 are foreground; 10 of 0.5, of which 2 are; 100 of 0.9, of which all are.
FORECAST = Forecast(np.array([0.1, 0.5, 0.9]), np.array([[81, 8, 0], [9, 2, 100]]))


def test_the_tables_say_what_was_counted(tmp_path):
    write_reliability(tmp_path / 'a.md', FORECAST, FORECAST, None)
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in (tmp_path / 'a.md').read_text().splitlines()]
    assert ['calibrated, cross-fitted', f'{(0 + 3 + 10) / 2:.2f}', f'{FORECAST.log_loss:.4f}'] in rows
    assert ['0.47 to 0.53', '0.500', '0.200', '10'] in rows
    assert ['0.8', '5.00', '1.80', f'{100 * 9 / 190:.2f}'] in rows
    assert cv2.imread(str(tmp_path / 'a.png')).shape[2] == 3
    assert not any('fit itself' in cell for row in rows for cell in row)


def test_the_diagram_shows_the_share_of_foreground_over_the_probability():
    above, _ = diagram({'a': FORECAST}).axes
    line = above.get_lines()[1]
    assert np.allclose(line.get_xdata(), [0.1, 0.5, 0.9])
    assert np.allclose(line.get_ydata(), [0.1, 0.2, 1.0])
    assert above.get_legend().get_texts()[0].get_text() == 'a: ECE 6.50 %'
