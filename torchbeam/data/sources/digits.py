"""`digits`: 1,797 handwritten digits of 8x8 pixels, which ship inside scikit-learn.

Source: Alpaydin & Kaynak, 'Optical Recognition of Handwritten Digits', UCI 1998 (the test half). The file is read
where scikit-learn lies, without importing it: that alone would take longer than all the rest.
"""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from torchbeam.data.pictures import Array
from torchbeam.data.records import Record, Source
from torchbeam.errors import DataError

SHADES = 16  # the set's pixels count the dark ones in blocks of 4x4: 0 to 16


def read() -> Source:
    """The digits, grey 0 to 255, classes '0' to '9', in scikit-learn's order. Raises DataError where they are gone."""
    found = find_spec("sklearn")
    places = found.submodule_search_locations if found else None
    file = Path(places[0] if places else "sklearn") / "datasets" / "data" / "digits.csv.gz"
    try:
        with gzip.open(file, "rt") as text:
            rows = np.loadtxt(text, delimiter=",")
    except OSError as error:
        raise DataError(
            "the digits that ship with scikit-learn are not there",
            got=str(error),
            remedy="install scikit-learn again",
        ) from error
    pixels = np.round(rows[:, :-1].reshape(-1, 8, 8) * (255 / SHADES)).astype(np.uint8)
    labels = rows[:, -1].astype(np.int64).tolist()
    records = tuple(Record(f"digits#{number:04d}", label) for number, label in enumerate(labels))
    classes = tuple(str(digit) for digit in range(10))
    return Source("digits", "digits", None, classes, records, Array(pixels))
