"""One look for all figures: names, colours and dashes, legends, axes of logarithms that have a 0."""

import numpy as np

from figures.style import SELECTION_LOOKS, labelled, legend_above, log_with_zero, panels, within_parts


def test_what_is_not_above_rounding_is_called_nothing():
    """Decades from the floor on, and 0 at the floor itself."""
    figure, ((across, up),) = panels(1, 2, 2.0)
    log_with_zero(up, "y", 5e-3, 2)
    log_with_zero(across, "x", 1e-2, 50)
    figure.canvas.draw()
    assert [text.get_text() for text in up.get_yticklabels()] == ["0", "0.01", "0.1", "1"]
    np.testing.assert_allclose(up.get_yticks(), [5e-3, 0.01, 0.1, 1])
    assert [text.get_text() for text in across.get_xticklabels()] == ["0", "0.1", "1", "10"]
    assert (across.get_xscale(), across.get_yscale(), up.get_ylim()[1]) == ("log", "linear", 2)


def test_legends_name_everything_once_and_fill_their_columns():
    figure, axes = panels(1, 2, 2.0)
    for axis in axes[0]:
        for name in "abcdefg":
            axis.plot([0, 1], label=name)
    legend_above(figure, labelled(*axes[0]))
    legend_above(figure, labelled(axes[0, 0]), "left", 2)
    seven, two = figure.legends
    assert [text.get_text() for text in seven.get_texts()] == list("abcdefg")
    figure.canvas.draw()
    columns = [len({round(text.get_window_extent().x0) for text in legend.get_texts()}) for legend in (seven, two)]
    assert columns == [4, 2], "six fit; two lines of four are even"


def test_an_axis_of_parts_ends_at_none_and_all():
    _, ((wide, narrow),) = panels(1, 2, 2.0)
    wide.set_ylim(-3, 4)
    narrow.set_ylim(0.2, 0.4)
    for axis in (wide, narrow):
        within_parts(axis)
    assert (wide.get_ylim(), narrow.get_ylim()) == ((-0.05, 1.05), (0.2, 0.4))


def test_every_selection_has_a_look():
    from batching import SELECTIONS

    assert set(SELECTIONS) == set(SELECTION_LOOKS)
    assert len({(look.colour, look.dash) for look in SELECTION_LOOKS.values()}) == len(SELECTION_LOOKS)
    assert len({look.label for look in SELECTION_LOOKS.values()}) == len(SELECTION_LOOKS)
