"""The digest of a vocabulary: names and their order, and nothing else."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from torchbeam.data.vocabulary import vocabulary_digest

NAMES = st.lists(st.text(), max_size=5)


def test_by_hand():
    assert vocabulary_digest(("ant", "bee")) == hashlib.sha256(b"3:ant3:bee").hexdigest()


@given(NAMES, NAMES)
def test_only_the_same_names_in_the_same_order_have_the_same_digest(one, other):
    assert (vocabulary_digest(one) == vocabulary_digest(other)) == (one == other)


def test_names_that_are_no_text_have_one_too():
    assert len(vocabulary_digest(["caf\udce9", "\ud800"])) == 64
