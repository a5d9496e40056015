"""How long work is watched."""

from torchbeam.data.watch import Watch, unwatched


def test_unwatched_passes_every_item_on_as_it_comes():
    taken = []

    def items():
        for number in range(3):
            taken.append(number)
            yield number

    found = unwatched(items(), "reading", 3)
    assert taken == []  # none before it is asked for
    assert next(found) == 0
    assert taken == [0]
    assert list(found) == [1, 2]
    assert list(unwatched([], "reading", 0, unit="bytes")) == []


def test_unwatched_is_a_watch():
    watch: Watch = unwatched
    assert list(watch("ab", what="reading", total=2)) == ["a", "b"]
