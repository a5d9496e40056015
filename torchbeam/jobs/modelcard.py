"""modelcard: what a model file says of itself, as the page a hub shows beside it: README.md with a YAML head.

Source of its parts: Mitchell et al. 2019, 'Model Cards for Model Reporting'; of its head, the hubs' own documentation.
Whatever comes from the file is quoted in blocks that Markdown leaves as they are.
"""

import json
import re
from typing import Any

from torchbeam.errors import SettingError
from torchbeam.network.modelfile import ModelFile

MOST_CLASSES = 100  # shown; the file holds them all
MOST_CHARACTERS = 200  # of a provenance's value; longer ones are for programs


def model_card(model: ModelFile, licence: str, title: str) -> str:
    """The card: licence, title, result with its 95 % interval, classes, notation, provenance, how to use it.

    licence: its identifier, such as mit, apache-2.0, cc-by-4.0 or other. Raises SettingError for one that cannot be.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", licence):
        raise SettingError(
            f"a licence cannot be {licence[:64]!r}",
            expected="an identifier in small letters, as in mit, apache-2.0, cc-by-4.0 or other",
        )
    shown = [" ".join(name.split()) for name in model.classes[:MOST_CLASSES]]
    more = len(model.classes) - len(shown)
    parts = [
        f"---\nlicense: {licence}\nlibrary_name: torchbeam\npipeline_tag: image-classification\n---",
        f"# {title}",
        "An image classifier made with torchbeam: one `model.safetensors`, tensors and text, nothing in it is run.",
        *_results(model.metrics),
        f"## Classes\n\n{len(model.classes):,}, in the order of its scores{f'; {more:,} more follow' if more else ''}:",
        _quoted("\n".join(shown)),
        f"## Network\n\n{_quoted(_network(model))}",
        f"## Provenance\n\n{_quoted(json.dumps(_short(model.provenance), indent=2, ensure_ascii=False), 'json')}",
        "## Use\n\n" + _quoted("torchbeam predict model.safetensors picture.jpg", "console"),
    ]
    return "\n\n".join(parts) + "\n"


def _network(model: ModelFile) -> str:
    return f"# on the codes of {model.backbone}\n{model.notation}" if model.backbone else model.notation


def _results(metrics: dict[str, Any]) -> list[str]:
    """A line for each part that was measured; of what has no interval, none is made up."""
    lines = []
    for part in ("test", "validation"):
        held = metrics.get(part)
        if isinstance(held, dict) and isinstance(held.get("accuracy"), float):
            lines.append(f"- {part}: {_accuracy(held)}")
    told = "\n".join(lines) or "The file holds none."
    return [f"## Result\n\n{told}", *(["The test was read once, after all choices were made."] if lines else [])]


def _accuracy(held: dict[str, Any]) -> str:
    text = f"accuracy {held['accuracy']:.2%}"
    if isinstance(held.get("n"), int):
        text += f" of {held['n']:,} pictures"
    match held.get("interval"):
        case [float(low), float(high)]:
            text += f", 95 % interval {100 * low:.1f} to {100 * high:.1f} %"
    if isinstance(held.get("baseline"), float):
        text += f"; {held['baseline']:.1%} by always naming the most frequent class"
    return text


def _short(told: dict[str, Any]) -> dict[str, Any]:
    """What a person reads of a provenance: long values are left out."""
    return {
        name: _short(value) if isinstance(value, dict) else value
        for name, value in told.items()
        if isinstance(value, dict) or len(str(value)) <= MOST_CHARACTERS
    }


def _quoted(text: str, language: str = "text") -> str:
    """A fenced block, its fence longer than any run of backticks inside (CommonMark 0.31, section 4.5)."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
