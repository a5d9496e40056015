import pytest

from torchbeam.errors import (
    DataError,
    Diverged,
    FitError,
    ModelFileError,
    NotationError,
    OutOfRoom,
    OutputError,
    SettingError,
    TorchbeamError,
)


def test_a_message_has_its_parts_in_order_and_aligned():
    error = SettingError("no such thing", shown="x\n^", expected="a\nb", got="c", remedy="d")
    assert str(error) == ("no such thing\n    x\n    ^\n  expected  a\n            b\n  got       c\n  remedy    d")


def test_parts_that_are_empty_leave_no_line():
    assert str(DataError("only this")) == "only this"


@pytest.mark.parametrize("kind", [FitError, DataError, ModelFileError, SettingError, OutputError])
def test_what_the_user_can_mend_exits_with_2(kind):
    assert kind.exit_code == 2


@pytest.mark.parametrize("kind", [Diverged, OutOfRoom])
def test_what_could_not_be_finished_exits_with_3(kind):
    assert kind.exit_code == 3


def test_a_notation_error_tells_line_and_column():
    error = NotationError("odd", line=2, column=7, shown="INPUT -> ?")
    assert (error.line, error.column) == (2, 7)
    assert isinstance(error, TorchbeamError)
    assert str(error).startswith("odd (line 2, column 7)")
