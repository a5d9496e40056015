"""What a person sees while a run goes on: notes, a progress bar, a line per epoch. All of it on stderr."""

from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from torchbeam.data.load import Data
from torchbeam.data.records import PARTS
from torchbeam.design.ledger import Ledger
from torchbeam.jobs.screen import Screen
from torchbeam.learn.loop import Epoch, Step
from torchbeam.learn.plan import Plan

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
                MofNCompleteColumn(),
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

    def understood(self, data: Data, book: Ledger, text: str, plan: Plan, device: str, notes: list[str]) -> None:
        """What the run is about, before it begins: data, split, network, plan."""
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
        for line in text.splitlines():
            self.screen.note(f"  {line}")
        self.screen.note(f"  {book.parameters:,} parameters, {book.macs:,} multiply-accumulates a picture\n")
        self.screen.note(
            f"{plan.epochs} epochs in batches of {plan.batch_size}, learning rate up to {plan.lr:g}, "
            f"seed {plan.seed}, on {device}\n"
        )

    def show(self, record: Step | Epoch) -> None:
        """Moves the bar."""
        if self.bar is None or not isinstance(record, Step):
            return
        if not self.bar.tasks:
            self.bar.add_task("", total=record.steps, speed="")
        self.seen += record.pictures
        task = self.bar.tasks[0]
        speed = self.seen / task.elapsed if task.elapsed else 0
        self.bar.update(task.id, advance=1, description=f"epoch {record.epoch}", speed=f"{speed:,.0f} pictures/s")

    def epoch(self, record: Epoch, best: bool) -> None:
        """A line for an epoch."""
        width = len(str(record.epochs))
        self.screen.note(
            f"epoch {record.epoch:>{width}}/{record.epochs}  loss {record.loss:.4f}  "
            f"validation {record.validation_loss:.4f} {record.validation_score:7.2%}  "
            f"{record.pictures_per_second:>7,.0f} pictures/s  {record.seconds:.1f} s{'  best' if best else ''}"
        )

    def stopped(self, model: object, best: Epoch | None) -> None:
        """What a run that was stopped leaves."""
        what = (
            f"the best model so far (epoch {best.epoch}, {best.validation_score:.2%} on validation)"
            if best
            else "the model as it was, before any epoch was over,"
        )
        self.screen.note(f"\nstopped; {what} is kept in {model}")


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
