"""What the tests of the rules share: findings of a text, and a fix proven by writing it into the text."""

from torchbeam.design.complete import complete
from torchbeam.design.layers import unfold
from torchbeam.design.ledger import ledger, ledger_of
from torchbeam.design.lint import lint
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.network.build import build


def completed(text, fit=None):
    return complete(parse(text), Volume(3, 32, 32), 10, fit)


def findings(text, fit=None):
    layers = unfold(completed(text, fit))
    return lint(layers, ledger_of(layers, completed(text, fit).input.volume))


def told(text, rule):
    """The findings of one rule."""
    return [finding for finding in findings(text) if finding.rule == rule]


def change(before, after):
    """The cost of a fix, from the two texts' own ledgers; its parameters from the two built networks."""
    old, new = ledger(completed(before)), ledger(completed(after))
    changes = {
        "parameters": learnt(after) - learnt(before),
        "multiply-accumulates": new.macs - old.macs,
        "neurons": new.neurons - old.neurons,
    }
    return ", ".join(f"{spoken(by)} {noun}" for noun, by in changes.items() if by)


def learnt(text):
    """What torch's layers learn; texts without side heads."""
    return sum(p.numel() for p in build(completed(text)).parameters())


def spoken(by):
    for size, letter in ((1e9, "G"), (1e6, "M")):
        if abs(by) >= size:
            return f"{by / size:+.1f} {letter}"
    return f"{by:+,}"


def proven(rule, before, after):
    """The one finding of that rule in `before`, once `after` is seen to be without it and to cost what was said."""
    (finding,) = told(before, rule)
    assert told(after, rule) == []
    assert finding.cost == change(before, after)
    return finding
