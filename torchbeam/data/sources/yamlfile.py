"""YAML from outside -> plain values: short, plain, and without aliases, which let a short text mean a huge one."""

from pathlib import Path

import yaml

from torchbeam.data.sources.namelist import text_of
from torchbeam.errors import DataError

MAX_BYTES = 2**20
MAX_DEPTH = 32


def read_yaml(path: Path) -> dict[object, object]:
    """The mapping in a YAML file. Raises DataError where it is no such file, too long, or has anchors or aliases."""
    text = text_of(path, MAX_BYTES)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:  # the time to read it grows with the square of its depth
                raise DataError(f"{path} is nested too deep", expected=f"at most {MAX_DEPTH} levels")
            if getattr(event, "anchor", None) is not None:
                raise DataError(f"{path} has anchors or aliases", expected="plain YAML, every value written out")
        told = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        got = " ".join(str(error).split())[:200]
        raise DataError(f"{path} is no YAML that can be read", got=got or type(error).__name__) from error
    if not isinstance(told, dict):
        raise DataError(f"{path} holds no names with values", expected="lines such as 'train: images/train'")
    return told
