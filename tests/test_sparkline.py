import re

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from datasets_app import sparkline
from datasets_app.samples import MOST_SAMPLES

RATES = st.floats(0, 1e12, allow_nan=False)
RUNS = st.lists(st.tuples(st.integers(1, 500), RATES), min_size=2, max_size=MOST_SAMPLES)


def of(steps):
    """(second, figure) with the seconds going up."""
    second, figures = 0, []
    for step, figure in steps:
        second += step
        figures.append((second, figure))
    return figures


@given(RUNS)
def test_every_point_is_inside_the_box(steps):
    dots = sparkline.points(of(steps))

    assert len(dots) <= 60
    assert [x for x, _ in dots] == sorted({x for x, _ in dots})
    assert (dots[0][0], dots[-1][0]) == (0, sparkline.WIDTH)
    assert all(0 <= y <= sparkline.HEIGHT for _, y in dots)


@given(RUNS)
def test_a_curve_is_under_a_kilobyte(steps):
    curve = sparkline.draw("Megabytes per second", of(steps), 1e12)

    assert len(render_to_string("datasets/_curve.html", {"curve": curve})) < 1000


def test_a_steady_run_is_a_flat_line_and_none_is_at_the_bottom():
    assert {y for _, y in sparkline.points([(2, 5.0), (4, 5.0), (6, 5.0)])} == {sparkline.ROOM}
    assert {y for _, y in sparkline.points([(2, 0.0), (4, 0.0)])} == {sparkline.HEIGHT}


@pytest.mark.parametrize("figures", [[], [(2, 7.0)]])
def test_room_is_kept_before_there_is_anything_to_draw(figures):
    html = render_to_string("datasets/_curve.html", {"curve": sparkline.draw("Tokens per second", figures, None)})

    assert '<svg class="spark"' in html
    assert "poly" not in html
    assert 'aria-hidden="true"' in html


@pytest.mark.parametrize(
    ("figures", "now", "said"),
    [
        ([1_380_000, 1_490_000], 1_450_000, "1.38 to 1.49 million, now 1.45 million"),
        ([23_000_000, 26_100_000], 24_700_000, "23.0 to 26.1 million, now 24.7 million"),
        ([30.1, 104], 86.6, "30.1 to 104, now 86.6"),
        ([2_000, 2_000], None, "2.00 thousand"),
        ([0, 0], 0, "0.00, now 0.00"),
    ],
)
def test_the_finding_is_a_sentence(figures, now, said):
    assert sparkline.finding(figures, now) == said


def test_the_curve_says_what_it_shows():
    curve = sparkline.draw("Tokens per second", [(2, 1e6), (4, 3e6)], 2e6)

    html = render_to_string("datasets/_curve.html", {"curve": curve})

    assert 'aria-label="Tokens per second over the run: 1.00 to 3.00 million, now 2.00 million"' in html
    assert re.search(r'<polyline points="0,19 59,2"/>', html)
