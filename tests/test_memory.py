import pytest
import torch

from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.errors import OutOfRoom
from torchbeam.jobs.memory import check_memory, out_of_memory
from torchbeam.learn.device import memory
from torchbeam.learn.plan import Plan

CPU = torch.device("cpu")


def check(text: str, batch_size: int) -> None:
    book = ledger(complete(parse(text), Volume(3, 32, 32), 10))
    check_memory(book, Plan(epochs=1, batch_size=batch_size, lr=0.1), CPU)


def test_a_run_that_cannot_fit_is_refused_with_one_that_would():
    there = memory(CPU)
    assert there is not None and there > 2**30
    side = 4096
    one_picture = 2 * 4 * (3 + 32) * side * side  # input and one map volume, and their gradients, in fp32
    too_many = there // one_picture + 8
    text = f"INPUT {side}x{side}x3 -> CONV 32 3x3 -> POOL avg global -> FC 2"
    with pytest.raises(OutOfRoom, match=f"training this network in batches of {too_many} takes about") as caught:
        check(text, too_many)
    fewer = int(str(caught.value).split("--batch-size ")[1].split()[0])
    assert abs(fewer - there // one_picture) <= 1
    check(text, fewer)


def test_a_network_larger_than_memory_is_told_to_shrink():
    with pytest.raises(OutOfRoom, match="take a smaller network"):
        check("INPUT -> FC 1000000000 -> FC", 1)


def test_runningout_of_memory_is_told_in_words():
    told = out_of_memory(MemoryError(), Plan(epochs=1, batch_size=64, lr=0.1))
    assert isinstance(told, OutOfRoom)
    assert "out of memory with batches of 64" in str(told)
    assert "--batch-size 32" in str(told)
    other = RuntimeError("something else")
    assert out_of_memory(other, Plan(epochs=1, batch_size=64, lr=0.1)) is None
