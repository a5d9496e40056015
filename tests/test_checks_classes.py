"""How classes are filled."""

from torchbeam.data.checks.classes import classes
from torchbeam.data.records import Record, Source


def found(counts, names=("cat", "dog", "owl")):
    """counts: (part, label) -> how many pictures."""
    records = tuple(
        Record(f"{part}/{label}/{number}.png", label, part)
        for (part, label), count in counts.items()
        for number in range(count)
    )
    source = Source("folder", "", None, names, records, None)
    shown = {number: frozenset({record.label}) for number, record in enumerate(records)}
    return {finding.kind: finding for finding in classes(source, shown)}


def full(part, count=20):
    return {(part, label): count for label in range(3)}


def test_classes_of_about_the_same_size_are_right():
    assert found(full("train") | full("test", 5)) == {}
    assert found(full("")) == {}


def test_a_test_without_a_train_is_not_measured_by_it():
    assert found({("test", 0): 20, ("test", 1): 20, ("test", 2): 20, ("val", 0): 20}) == {}


def test_lopsided_begins_at_ten_to_one():
    assert "lopsided" not in found({("", 0): 199, ("", 1): 20, ("", 2): 40})
    told = found({("", 0): 200, ("", 1): 20, ("", 2): 40})["lopsided"]
    assert told.what == "cat has 200 pictures to learn from, 10 times as many as dog with 20"


def test_few_pictures_begin_below_ten():
    told = found({("train", 0): 12, ("train", 1): 9, ("train", 2): 10, **full("test", 30)})
    assert told.keys() == {"few pictures"}
    assert told["few pictures"].what == "1 class with fewer than 10 pictures to learn from: dog (9)"
    assert told["few pictures"].paths == ("train/1/0.png",)


def test_a_class_only_another_part_knows_is_an_error():
    told = found({("train", 0): 20, ("train", 1): 20, ("val", 0): 5, ("val", 1): 5, ("val", 2): 5})
    assert told.keys() == {"class not in train"}
    assert told["class not in train"].what == "val has 1 class that train does not know: owl"
    assert told["class not in train"].paths == ("val/2/0.png",)


def test_a_class_another_part_misses_is_a_warning():
    told = found(full("train") | {("test", 0): 5})
    assert told["class missing in a part"].what == "test has no picture of 2 classes of train: dog, owl"


def test_a_class_of_which_nothing_is_left_is_told():
    assert found({("", 0): 20, ("", 1): 20})["class unused"].what.endswith(": owl")


def test_many_names_are_cut():
    names = tuple(f"c{number}" for number in range(30))
    told = found({("", label): 1 for label in range(30)}, names)["few pictures"]
    assert told.what.endswith("c7 (1) and 22 more")
    assert len(told.paths) == 30


def test_names_that_differ_by_case_or_blanks_are_an_error():
    told = found(full(""), ("owl", "Owl ", "dog"))["class names alike"]
    assert "'owl', 'Owl '" in told.what and told.severity == "error"
