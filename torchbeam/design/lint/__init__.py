"""The lectures' rules for sizing a network, as findings: each with its numbers, its fix and what the fix costs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torchbeam.design.layers import Layer
from torchbeam.design.ledger import Ledger
from torchbeam.design.lint.between import linear_linear, missing_nonlinearity
from torchbeam.design.lint.drawing import Drawing, Remark
from torchbeam.design.lint.gradients import activation_at_the_end, dead_step
from torchbeam.design.lint.picture import field_too_large, field_too_small, uneven_halving
from torchbeam.design.lint.sliding import dropped_pixels, large_filter, large_pool, washed_borders
from torchbeam.design.lint.weights import bias_before_bn, heavy_fc


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a layer does not keep: what, with numbers, what would mend it, and what that costs or saves."""

    layer: str
    rule: str
    message: str
    fix: str
    cost: str = ""


# Every rule, in the order in which one layer's findings are told.
RULES: dict[str, Callable[[Drawing], Iterator[Remark]]] = {
    "dropped-pixels": dropped_pixels,
    "washed-borders": washed_borders,
    "large-filter": large_filter,
    "large-pool": large_pool,
    "uneven-halving": uneven_halving,
    "heavy-fc": heavy_fc,
    "field-too-large": field_too_large,
    "field-too-small": field_too_small,
    "bias-before-bn": bias_before_bn,
    "linear-linear": linear_linear,
    "missing-nonlinearity": missing_nonlinearity,
    "activation-at-the-end": activation_at_the_end,
    "dead-step": dead_step,
}


def lint(layers: Sequence[Layer], book: Ledger) -> list[Finding]:
    """What the rules say of `layers`, in their order. book: the ledger of the same layers.

    Side heads are looked at as well; only what speaks of the whole network leaves them out.
    """
    drawing = Drawing(layers, book)
    said = [(remark, rule) for rule, look in RULES.items() for remark in look(drawing)]
    said.sort(key=lambda each: each[0].place)  # stable: the rules of one layer stay in their order
    return [Finding(layers[remark.place].name, rule, remark.message, remark.fix, remark.cost) for remark, rule in said]
