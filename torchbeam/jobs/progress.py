"""What a person sees while a run goes on: notes, a progress bar, a line per epoch. All of it on stderr."""

from types import TracebackType

from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from torchbeam.data.load import Data
from torchbeam.data.records import PARTS
from torchbeam.design.ledger import Ledger
from torchbeam.jobs.screen import Screen
from torchbeam.learn.learner import Step
from torchbeam.learn.loop import Epoch, Lowered, Record
from torchbeam.learn.plan import OPTIMISERS, Plan
from torchbeam.learn.promise import Promise
from torchbeam.learn.signs import Finding

CLASSES_SHOWN = 12
SKIPPED_SHOWN = 5


class Progress:
    """Draws a run on stderr: the bar only on a terminal, plain lines in a pipe; nothing when `show` is off.

    As a context it holds the bar of the training loop.
    """

    def __init__(self, show: bool) -> None:
        self.screen = Screen(show)
        self.bar: Bar | None = None
        self.seen = 0

    def __enter__(self) -> "Progress":
        if self.screen.draws:
            self.bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
                console=self.screen.console,
                transient=True,
            )
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def understood(self, data: Data, book: Ledger, text: str, notes: list[str]) -> None:
        """What the run is about: data, split, network."""
        self.looked_at(data, notes)
        for line in text.splitlines():
            self.screen.note(f"  {line}")
        self.screen.note(f"  {book.parameters:,} parameters, {book.macs:,} multiply-accumulates a picture\n")

    def looked_at(self, data: Data, notes: list[str]) -> None:
        """The data and its parts, and what is to be said of them."""
        where = f" from {data.root}" if data.root else ""
        shade = "grey" if data.grey else "colour"
        sizes = set(data.sizes)
        size = "x".join(map(str, next(iter(sizes)))) if len(sizes) == 1 else "many sizes"
        self.screen.note(f"{data.kind}: {len(data.records):,} {shade} pictures of {size}{where}\n")
        for line in class_table(data):
            self.screen.note(f"  {line}")
        self.screen.note("")
        for part in PARTS:
            self.screen.note(f"  {part:<5} is {data.split.origins[part]}")
        for note in (*data.notes, *notes):
            self.screen.note(f"  note: {note}")
        if data.skipped:
            self.screen.note(f"  set aside, {len(data.skipped):,} that could not be read:")
            for bad in data.skipped[:SKIPPED_SHOWN]:
                self.screen.note(f"    {bad.reason}")
            if len(data.skipped) > SKIPPED_SHOWN:
                self.screen.note(f"    and {len(data.skipped) - SKIPPED_SHOWN:,} more, listed in log.jsonl")
        self.screen.note("")

    def planned(self, plan: Plan, device: str, promise: Promise) -> None:
        """How it will learn, and how long that takes."""
        ends = f"{plan.epochs} epochs" if plan.seconds is None else f"{plan.seconds:.0f} s of training"
        self.screen.note(
            f"{ends} in batches of {plan.batch_size}, {OPTIMISERS[plan.optimiser]} with a learning rate up to "
            f"{plan.lr:.3g}, seed {plan.seed}, on {device}\n{promise}\n"
        )

    def show(self, record: Record) -> None:
        """Moves the bar."""
        if self.bar is None or not isinstance(record, Step):
            return
        if not self.bar.tasks:
            self.bar.add_task("", total=1.0, speed="")
        self.seen += record.pictures
        task = self.bar.tasks[0]
        speed = self.seen / task.elapsed if task.elapsed else 0
        told = f"{speed:,.0f} pictures/s"
        self.bar.update(task.id, completed=record.share, description=f"epoch {record.epoch}", speed=told)

    def lowered(self, record: Lowered) -> None:
        """A step back from a rate that was too high."""
        self.screen.note(
            f"the loss blew up to {record.loss:.3g} by step {record.step:,}: back to step {record.back:,}, and on at "
            f"{record.factor:.2g} times the rate"
        )

    def finding(self, record: Finding) -> None:
        """What the doctor found."""
        self.screen.note(f"doctor: {record.text}\n        {record.remedy}")

    def epoch(self, record: Epoch, best: bool) -> None:
        """A line for an epoch."""
        width = len(str(record.epochs or ""))
        of = f"/{record.epochs}" if record.epochs else ""
        self.screen.note(
            f"epoch {record.epoch:>{width}}{of}  loss {record.loss:.4f}  "
            f"validation {record.validation_loss:.4f} {record.validation_score:7.2%}  "
            f"{record.pictures_per_second:>7,.0f} pictures/s  {record.seconds:.1f} s{'  best' if best else ''}"
        )

    def stopped(self, model: object, best: Epoch | None, folder: object) -> None:
        """What a run that was stopped leaves; folder: of the run, where it can go on."""
        what = (
            f"the best model so far (epoch {best.epoch}, {best.validation_score:.2%} on validation)"
            if best
            else "the model as it was, before any epoch was over,"
        )
        self.screen.note(f"\nstopped; {what} is kept in {model}")
        if folder is not None:
            self.screen.note(f"to go on from this very step: torchbeam resume {folder}")


def class_table(data: Data) -> list[str]:
    """Pictures per class and part, as aligned lines; the middle of a long list is left out."""
    counts = {part: data.counts(part) for part in PARTS}
    rows = [(name, *(f"{counts[part][label]:,}" for part in PARTS)) for label, name in enumerate(data.classes)]
    left_out = max(0, len(rows) - CLASSES_SHOWN)
    rows = rows[:CLASSES_SHOWN]
    if left_out:
        rows.append((f"... {left_out:,} more", "", "", ""))
    rows.append(("all", *(f"{sum(counts[part]):,}" for part in PARTS)))
    rows.insert(0, ("class", *PARTS))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
