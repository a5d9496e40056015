"""`digits`: 1,797 handwritten digits of 8x8 pixels, which ship inside scikit-learn.

Source: Alpaydin & Kaynak, 'Optical Recognition of Handwritten Digits', UCI 1998 (the test half).
"""

import numpy as np
from sklearn.datasets import load_digits

from torchbeam.data.pictures import Array
from torchbeam.data.records import Record, Source

SHADES = 16  # the set's pixels count the dark ones in blocks of 4x4: 0 to 16


def read() -> Source:
    """The digits, grey 0 to 255, classes '0' to '9', in scikit-learn's order."""
    values, labels = load_digits(return_X_y=True)
    pixels = np.round(np.asarray(values).reshape(-1, 8, 8) * (255 / SHADES)).astype(np.uint8)
    records = tuple(Record(f"digits#{number:04d}", int(label)) for number, label in enumerate(labels))
    classes = tuple(str(digit) for digit in range(10))
    return Source("digits", "digits", None, classes, records, Array(pixels))
