"""XML from outside -> a tree, without what makes XML dangerous: document types, and with them entities, are refused.

Source: 'XML vulnerabilities' in the documentation of Python's xml package (billion laughs, external entities).
"""

from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from torchbeam.errors import DataError

MAX_BYTES = 16 * 2**20
MAX_DEPTH = 64


def read_tree(path: Path) -> ElementTree.Element:
    """The root of the XML in a file. Raises DataError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}", got=error.strerror or str(error), remedy="check the path") from error
    if len(content) > MAX_BYTES:
        raise DataError(f"{path.name} is too long for an annotation", expected=f"at most {MAX_BYTES:,} bytes")
    return tree_of(content, path.name)


def tree_of(content: bytes, name: str) -> ElementTree.Element:
    """The root of an XML text. Raises DataError where it is broken, declares a document type or is nested too deep."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise DataError(f"{name} is nested too deep", expected=f"at most {MAX_DEPTH} elements in each other")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise DataError(f"{name} declares a document type", expected="plain XML without DOCTYPE and ENTITY")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise DataError(f"{name} is no XML that can be read", got=str(error)) from error
    except (LookupError, ValueError) as error:  # a coding that nobody knows
        raise DataError(f"{name} is in a coding that cannot be read", got=str(error)) from error
    return builder.close()
