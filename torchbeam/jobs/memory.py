"""Whether a run fits into memory, foreseen from the ledger and told in words where it was not."""

import torch

from torchbeam.design.ledger import Ledger
from torchbeam.errors import OutOfRoom
from torchbeam.jobs.amounts import human_bytes
from torchbeam.learn import device as devices
from torchbeam.learn.plan import Plan


def check_memory(book: Ledger, plan: Plan, place: torch.device, held: int = 0) -> None:
    """Refuses a run that cannot fit before it has begun; the real need is somewhat more than the ledger's.

    held: bytes of decoded pictures that stay in memory, which is the CPU's.
    """
    there = devices.memory(place)
    weights = book.training_bytes - 2 * book.forward_bytes + (held if place.type == "cpu" else 0)
    needed = weights + 2 * book.forward_bytes * plan.batch_size
    if there is not None and needed > there:
        fewer = int((there - weights) // (2 * book.forward_bytes))
        raise OutOfRoom(
            f"training this network in batches of {plan.batch_size} takes about {human_bytes(needed)} of memory",
            expected=f"at most the {human_bytes(there)} that {place} has",
            remedy=f"--batch-size {fewer} would fit" if fewer > 0 else "take a smaller network, or a smaller --size",
        )


def out_of_memory(error: RuntimeError | MemoryError, plan: Plan) -> OutOfRoom | None:
    """The error in words a user can act on, where it is one of memory."""
    said = str(error).lower()
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in said:
        return OutOfRoom(
            f"out of memory with batches of {plan.batch_size}",
            got=str(error).splitlines()[0] if str(error) else "MemoryError",
            remedy=f"train with --batch-size {max(1, plan.batch_size // 2)}, or a smaller --size",
        )
    return None
