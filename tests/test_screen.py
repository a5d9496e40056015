"""Lines and bars on stderr."""

from io import StringIO

import pytest
from rich.console import Console

from torchbeam.jobs.screen import Screen


def on_a_terminal() -> tuple[Screen, StringIO]:
    held = StringIO()
    screen = Screen(True)
    screen.console = Console(file=held, force_terminal=True, width=100)
    return screen, held


def test_nothing_is_said_where_nobody_looks(capsys):
    screen = Screen(False)
    screen.note("reading")
    assert list(screen.watch(range(5), "reading", 5)) == [0, 1, 2, 3, 4]
    assert capsys.readouterr() == ("", "")


def test_in_a_pipe_there_are_lines_and_no_bar(capsys):
    screen = Screen(True)
    screen.note("reading [a] folder")
    assert not screen.draws and list(screen.watch(range(5), "reading", 5)) == [0, 1, 2, 3, 4]
    assert capsys.readouterr() == ("", "reading [a] folder\n")


def test_the_items_pass_and_the_bar_tells_what_is_done():
    screen, held = on_a_terminal()
    assert list(screen.watch(iter(range(5)), "looking at the pictures", 5)) == [0, 1, 2, 3, 4]
    assert "looking at the pictures" in held.getvalue() and "5/5" in held.getvalue()


def test_the_bar_goes_where_the_work_stops_early():
    screen, held = on_a_terminal()
    for item in screen.watch(iter(range(5)), "reading", 5, "masks"):
        assert item == 0
        break
    assert held.getvalue().endswith("\x1b[2K")  # the line is wiped


def test_an_error_of_the_work_comes_through_the_bar():
    screen, _ = on_a_terminal()

    def failing():
        yield 1
        raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        list(screen.watch(failing(), "reading", 2))
