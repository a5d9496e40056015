"""Texts of networks that read, and ways to spoil them."""

import random

RESNET_50 = """
INPUT 224x224x3 fit crop
-> unit 64 7x7 2 -> RELU -> POOL max 3x3 stride 2 pad 1
-> stage1: [first 64 256 1   -> [block 64 256]*2]
-> stage2: [first 128 512 2  -> [block 128 512]*3]
-> stage3: [first 256 1024 2 -> [block 256 1024]*5]
-> stage4: [first 512 2048 2 -> [block 512 2048]*2]
-> POOL avg global -> FC classes
where
classes = 1000;
unit n f s  = CONV n f stride s bias no -> BN;
main n m s  = unit n 1x1 1 -> RELU -> unit n 3x3 s -> RELU -> unit m 1x1 1;
first n m s = ( main n m s + unit m 1x1 s ) -> RELU;
block n m   = ( main n m 1 + SKIP ) -> RELU
"""

# Branches in depth and with names, side heads, a repeat and a weight by name, rectangles and every kind of POOL.
INCEPTION = """
INPUT 95x95x3 fit pad # as small as its strides allow
-> stem: [unit 16 3x3 2 -> unit 16 3x3 1 -> LRN 5 alpha 1e-4 -> POOL max 3x3 stride 2]
-> [module 8 4]*twice
-> side: AUX weight [POOL avg to 4x4 -> FC 32 -> RELU -> DROPOUT 0.7 -> FC classes]
-> ( wide: [unit 24 3x3 2] | POOL max 3x3 stride 2 pad 1 | POOL avg 3x3 stride 2 pad 1:2 count valid )
-> ( CONV depthwise 3x3 -> BN + SKIP )*twice -> SHORTCUT 96 stride 2
-> ( UP 2 bilinear -> POOL l2 2x2 + same: SKIP ) -> PRELU
-> POOL avg global -> FC classes -> SOFTMAX
where
twice = 2; weight = 0.3; classes = 10;
unit n f s = CONV n f stride s bias no -> BN eps 1e-3 -> RELU;
module n r = ( unit n 1x1 1
  | unit r 1x1 1 -> unit n 3x3 1
  | unit r 1x1 1 -> unit n 7x1 1 -> unit n 1x7 1
  | POOL avg 3x3 stride 1 pad 1 -> unit n 1x1 1 )
"""

TEXTS = [
    RESNET_50,
    INCEPTION,
    "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> FC",
    "INPUT [227x227x3] fit crop -> CONV 96 11x11 filters with stride 4, pad 0 -> RELU -> POOL max 3x3 stride 2",
    "input 32x32x3 → stem: conv 8 7x1 stride 2x1 pad 3x0 dilation 1 groups 1 bias no fit pad # first\n"
    "-> body: [a: CONV -> BN eps 1e-5 momentum 0.1 -> [POOL l2 2x2 stride 1 pad 0:1x1]*2]*3 -> POOL avg global\n"
    "-> DROPOUT 0.5 -> LEAKYRELU -0.1 -> FLATTEN -> FC 10 bias no -> SOFTMAX",
    "INPUT 16x16x4 -> [half n]*n -> ( a: CONV 4 groups 2 | half 3 -> UP n | SKIP )*n -> AUX 0.5 [FC n] -> tail: end\n"
    "where n = 2; half k = ( CONV depthwise dilation k + SKIP ) -> POOL max; end = FC n -> last; last = FC 5",
]

SIGNS = "[]()|+=;*:->→x×X#,.\n\t 0123456789eE-_aAfFPpn$\"'\\{%é\x00"
# Whole words, so that a spoilt text still reads now and then.
WORDS = ["CONV", "POOL", "FC", "AUX 0.3 [FC]", "SKIP", "UP 3", "( a | b )", "where", "n", "[", "]*3", "( ", " + SKIP )"]
WORDS += ["a: ", "-> ", "; ", "a n = FC n", "3x3", "0", "1e9", "1000000000", "stride 2", "pad 0:1", "to 3x3", "# "]


def mutated(chance: random.Random, text: str, chunk: str) -> str:
    """The text with one span taken out, doubled, moved, turned or replaced by a chunk."""
    start, end = sorted(chance.randrange(len(text) + 1) for _ in range(2))
    end = min(end, start + 12)
    span = text[start:end]
    way = chance.choice(["out", "double", "insert", "replace", "move", "turn"])
    middle = {"out": "", "double": span * 2, "insert": chunk + span, "replace": chunk, "move": "", "turn": span[::-1]}
    changed = text[:start] + middle[way] + text[end:]
    if way == "move":
        at = chance.randrange(len(changed) + 1)
        changed = changed[:at] + span + changed[at:]
    return changed


def _renumbered(chance: random.Random, text: str) -> str:
    """The text with one of its numbers another."""
    places = [at for at, letter in enumerate(text) if letter.isdigit()]
    if not places:
        return text
    at = chance.choice(places)
    return text[:at] + chance.choice(["0", "1", "2", "3", "7", "16", "999", "1000000000"]) + text[at + 1 :]


def _respelt(chance: random.Random, text: str) -> str:
    """The text with two of its pieces exchanged."""
    pieces = text.split(" ")
    first, second = chance.randrange(len(pieces)), chance.randrange(len(pieces))
    pieces[first], pieces[second] = pieces[second], pieces[first]
    return " ".join(pieces)


def spoilt(chance: random.Random, texts: list[str]) -> str:
    """One of the texts, spoilt once or twice."""
    text = chance.choice(texts)
    for _ in range(chance.randint(1, 2)):
        way = chance.randrange(6)
        if way == 0:
            text = mutated(chance, text, "".join(chance.choices(SIGNS, k=chance.randint(1, 3))))
        elif way == 1:
            text = mutated(chance, text, chance.choice(WORDS))
        else:
            text = (_respelt if way == 2 else _renumbered)(chance, text)
    return text
