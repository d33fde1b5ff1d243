"""What a report may print, from quantities.yml: how each quantity is read from a run, its head, unit and margin."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import product
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Quantity:
    """What a number says. ``how`` it is read is explained in quantities.yml."""

    name: str
    head: str
    how: dict
    unit: str = ""
    margin: float = 0.0
    lower: bool = False  # less is better

    @property
    def kind(self):
        """Return "setting", "winner" or "gradient" for quantities that are judged in their own way, else "number"."""
        return next((kind for kind in ("setting", "winner", "gradient") if kind in self.how), "number")

    @property
    def units(self):
        """Return {unit: factor} of the units in which the quantity may be given."""
        return _definitions()["units"].get(self.unit, {"": 1})


@cache
def quantity(name):
    """Return the Quantity of a name such as "final_train_loss". Raises ValueError, which gives the nearest name."""
    definitions = _definitions()
    for form, entry in definitions["quantities"].items():
        pattern = form
        for each, values in definitions["names"].items():
            pattern = pattern.replace(f"{{{each}}}", f"(?P<{each}>{values})")
        if match := re.fullmatch(pattern, str(name)):
            entry = {key: _fill(value, match.groupdict()) for key, value in entry.items()}
            common = {key: entry.pop(key) for key in ("unit", "margin", "lower") if key in entry}
            return Quantity(str(name), entry.pop("head").replace("train ", "training "), how=entry, **common)
    near = get_close_matches(str(name), definitions["quantities"], 1, cutoff=0.4)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"quantity = {name!r}{hint}, allowed: those in workbook/claims/quantities.yml")


@cache
def _definitions():
    """Return quantities.yml, with the names in braces that stand for a few values written out."""
    content = yaml.safe_load((Path(__file__).parent / "quantities.yml").read_text())
    few = {name: values for name, values in content["names"].items() if isinstance(values, list)}
    written = {}
    for form, entry in content["quantities"].items():
        used = [name for name in few if f"{{{name}}}" in form]
        for values in product(*(few[name] for name in used)):
            filled = dict(zip(used, values, strict=True))
            written[_fill(form, filled)] = {key: _fill(value, filled) for key, value in entry.items()}
    return content | {"quantities": written}


def _fill(value, values):
    """Return a text with its names in braces replaced; anything else as it is."""
    for name, each in values.items():
        value = value.replace(f"{{{name}}}", each) if isinstance(value, str) else value
    return value
