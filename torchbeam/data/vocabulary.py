"""The classes a model knows: names in a fixed order. Data is matched to them by name, never by number."""

import hashlib
from collections.abc import Sequence


def vocabulary_digest(classes: Sequence[str]) -> str:
    """SHA-256 of the names in their order: equal for two vocabularies exactly when every class has one number."""
    lengths_and_names = "".join(f"{len(name)}:{name}" for name in classes)
    # Every string there can be: names of files that are not UTF-8 hold surrogates, and so may names out of JSON.
    return hashlib.sha256(lengths_and_names.encode("utf-8", "surrogatepass")).hexdigest()
