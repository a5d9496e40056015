"""Work done by threads a few items ahead of whoever reads the results."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from torchbeam.data.ahead import ahead


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("depth", [1, 2, 5, 100])
def test_results_come_in_the_items_order(threads, depth):
    with ThreadPoolExecutor(threads) as pool:
        assert list(ahead(pool, lambda item: item * item, range(40), depth)) == [item * item for item in range(40)]


def test_results_come_in_order_though_the_later_are_done_first():
    third_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert third_done.wait(20)
        if item == 2:
            third_done.set()
        return item

    with ThreadPoolExecutor(3) as pool:
        assert list(ahead(pool, work, range(3), 3)) == [0, 1, 2]


def test_no_items_are_no_results():
    with ThreadPoolExecutor(1) as pool:
        assert list(ahead(pool, str, [], 3)) == []


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_no_more_are_begun_than_the_depth_allows(depth):
    taken: list[int] = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        for read, _ in enumerate(ahead(pool, lambda item: item, items(), depth)):
            assert len(taken) - read <= depth
    assert len(taken) == 20


def test_an_error_comes_in_the_place_of_its_result_and_ends_the_work():
    done: list[int] = []

    def work(item: int) -> int:
        if item == 3:
            raise KeyError("the third")
        done.append(item)
        return item

    read = []
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyError, match="the third"):
        for result in ahead(pool, work, range(100), 6):
            read.append(result)
    assert read == [0, 1, 2]
    assert max(done) < 3 + 6


def test_what_has_not_begun_when_the_reader_leaves_never_does():
    go_on, done = threading.Event(), []

    def work(item: int) -> int:
        if item == 1:
            assert go_on.wait(20)
        done.append(item)
        return item

    with ThreadPoolExecutor(1) as pool:
        found = ahead(pool, work, range(50), 10)
        assert next(found) == 0
        found.close()
        go_on.set()
    assert set(done) <= {0, 1}  # the second may have been in hand


def test_an_error_of_the_items_themselves_comes_through():
    def items():
        yield 1
        raise OSError("no more")

    with ThreadPoolExecutor(1) as pool, pytest.raises(OSError, match="no more"):
        list(ahead(pool, str, items(), 1))
