"""What a report claims, read strictly from its YAML file in reports/claims/ before anything is trained.

The README's section "Your own report" explains the format, ``quantities.yml`` the quantities.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path

from lib.choices import check_choice
from workbook.claims import trials
from workbook.claims.quantities import Quantity, quantity
from workbook.claims.source import WRONG, Source
from workbook.runs.experiment import make

VARIANTS = ("stated", "coded", "assigned")
#: what a variant may have besides the fields of an Experiment, for each kind of experiment
KINDS = {
    "networks": (),
    "search": ("trials", "trained", "carried", "range"),
    "gradient check": ("inputs", "images", "measure", "scheme", "threshold", "labels"),
}
NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*)")


@dataclass(frozen=True)
class Number:
    """One printed number, its value and reading error (half-width) in the quantity's own unit."""

    quantity: Quantity
    value: float
    error: float
    where: str
    line: int
    over: str | None = None  # of a gain: the experiment that it is a gain over


@dataclass(frozen=True)
class Claimed:
    """One experiment of a report."""

    name: str
    title: str
    kind: str
    variants: dict  # variant: fields of an Experiment, and what KINDS has besides
    numbers: dict  # name of the quantity: Number
    reads: dict  # variant: {name of a quantity: name of the one that was printed in its place}


@dataclass(frozen=True)
class Effect:
    """The claim that an experiment is better than another one in a quantity, or that both are equal."""

    better: tuple  # name of the experiment, variant
    worse: tuple
    quantity: Quantity
    equal: bool
    by: float | None  # the claimed size, positive, in the quantity's unit
    where: str
    line: int


@dataclass(frozen=True)
class Reason:
    """Why numbers differ."""

    experiments: tuple  # patterns of names
    numbers: tuple  # patterns of names of quantities
    because: str
    measured: dict | None  # {"from": variant or "NAME as VARIANT", "to": ...}, the comparison that supports it
    excluded: str  # what was tried in vain


@dataclass(frozen=True)
class Report:
    """All that a claim file says."""

    name: str
    experiments: dict  # name: Claimed
    effects: list
    reasons: list
    figures: list
    seeds: int
    author: str = ""
    year: str = ""
    assignment: str = ""
    source: str = ""
    setting: str = ""  # in one line


def load(path):
    """Return the Report in a claim file. Raises ClaimError."""
    file = Source(path)
    about = ["author", "year", "assignment", "source", "setting"]
    content = file.table(
        (), file.content, [*about, "seeds", "settings", "experiments", "effects", "reasons", "figures"]
    )
    settings = file.table(("settings",), content.get("settings"), VARIANTS, "variant")
    entries = file.table(("experiments",), content.get("experiments"))
    experiments = {name: _claimed(file, name, entry, settings) for name, entry in entries.items()}
    with file.at("experiments"):
        if not experiments:
            raise ValueError("experiments must name at least one experiment with its numbers")
    for claimed in experiments.values():
        _check_numbers(file, claimed, experiments)
    seeds = content.get("seeds", 5)
    with file.at("seeds"):
        if type(seeds) is not int or not 2 <= seeds <= 100:
            raise ValueError(f"seeds = {seeds!r}, allowed: a whole number from 2 to 100")
    return Report(
        Path(path).stem,
        experiments,
        effects=[each for keys, entry in file.entries("effects") for each in _effects(file, keys, entry, experiments)],
        reasons=[_reason(file, keys, entry, experiments) for keys, entry in file.entries("reasons")],
        figures=[entry for _, entry in file.entries("figures")],
        seeds=seeds,
        **{name: str(content[name]) for name in about if name in content},
    )


def _claimed(file, name, entry, settings):
    """Return one experiment."""
    keys = ("experiments", name)
    entry = file.table(keys, entry, ("title", "kind", "where", "numbers", *VARIANTS))
    kind = entry.get("kind", "networks")
    with file.at(*keys, "kind"):
        check_choice("kind", kind, list(KINDS))
    with file.at(*keys):
        if entry.get("stated") is None:
            raise ValueError(f"{name} needs stated: how it differs from the course's setting, {{}} if in nothing")
    variants, reads = _variants(file, keys, entry, {} if kind == "gradient check" else settings, kind)
    numbers = {}
    for each, given in file.table((*keys, "numbers"), entry.get("numbers")).items():
        here = (*keys, "numbers", each)
        given = {"where": entry.get("where", "")} | (given if isinstance(given, dict) else {"value": given})
        file.table(here, given, ("value", "unit", "error", "where", "over"))
        with file.at(*here):
            numbers[each] = _number(quantity(each), given, file.line_of(here))
    return Claimed(name, str(entry.get("title", name)), kind, variants, numbers, reads)


def _variants(file, keys, entry, settings, kind):
    """Return {variant: settings} and {variant: reads} of an experiment; what is coded departs from what is stated."""
    variants, reads = {}, {}
    for variant in VARIANTS:
        own = file.table((*keys, variant), entry.get(variant))
        common = file.table(("settings", variant), settings.get(variant))
        absent = variant not in entry and (variant == "assigned" or not common)
        if absent or entry.get(variant, {}) is None:  # an empty "coded:" says that it is not trained
            continue
        found = _over(_over(variants["stated"] if variant == "coded" else {}, common), own)
        read = file.table((*keys, variant, "read"), found.pop("read", {}))
        for name in [*read, *read.values()]:
            with file.at(*keys, variant, "read"):
                quantity(name)
        fields = {name: value for name, value in found.items() if name not in KINDS[kind]}
        try:
            make(fields)
        except WRONG as error:
            named = [name for name in fields if str(name) in str(error)][:1]  # for the line
            with file.at(*((*keys, variant) if set(named) <= set(own) else ("settings", variant)), *named):
                raise
        if variant != "coded" or (found, read) != (variants["stated"], reads["stated"]):
            variants[variant], reads[variant] = found, read
    return variants, reads


def _over(below, above):
    """Return settings with others over them; oddities are merged one by one."""
    both = {"odd": below["odd"] | above["odd"]} if "odd" in below and "odd" in above else {}
    return below | above | both


def _number(what, given, line):
    """Return the Number of a quantity in {"value": "53.05 %", ...}."""
    text, name = given.get("value"), what.name
    match = None if isinstance(text, bool) else NUMBER.fullmatch(str(text).strip())
    if not match or not math.isfinite(float(match[1])):
        raise ValueError(f"{text!r} is no number; write for example {f'{name}: 52.1 {what.unit}'.strip()}")
    unit = match[2] or given.get("unit", "")
    if what.unit and not unit:
        raise ValueError(f"{name} lacks its unit; write for example {name}: {match[1]} {what.unit}")
    if unit not in what.units:
        check_choice(f"unit of {name}", unit, list(what.units) if what.unit else ["none"])
    error = given.get("error", 0.5 * 10.0 ** Decimal(match[1]).as_tuple().exponent)  # half a unit of the last digit
    if type(error) not in (int, float) or not 0 <= error < math.inf:
        raise ValueError(f"error = {error!r}, allowed: a number of at least 0, in the unit of the value")
    value, factor = Decimal(match[1]), what.units[unit]
    return Number(what, float(value * factor), factor * error, str(given["where"]), line, given.get("over"))


def _check_numbers(file, claimed, experiments):
    """Check that an experiment of this kind has its numbers, and what they and its trials refer to."""
    names = [name for name in experiments if name != claimed.name]
    for variant, settings in claimed.variants.items():
        with file.at("experiments", claimed.name, variant, "trials"):
            if claimed.kind == "search":
                trials.check(claimed.name, settings, claimed.numbers, names)
    for name, number in claimed.numbers.items():
        how = number.quantity.how
        with file.at("experiments", claimed.name, "numbers", name):
            kinds = ["gradient check"] if "gradient" in how else ["search"] if "rank" in how else ["networks"]
            check_choice(f"{name}, kind", claimed.kind, list(KINDS) if "setting" in how else kinds)
            if "setting" in how:
                trials.setting(claimed.name, claimed.variants["stated"], how["setting"])
            if "difference" in how or number.over is not None:
                check_choice("over", number.over, names if "difference" in how else ["nothing"])


def _effects(file, keys, entry, experiments):
    """Yield the Effects of one entry; of three or more that are equal, each pair."""
    file.table(keys, entry, ("better", "worse", "equal", "than", "quantity", "by", "where"))
    relation, by = "".join(each for each in ("better", "worse", "equal") if each in entry), entry.get("by")
    with file.at(*keys):
        if relation not in ("better", "worse", "equal") or (relation == "equal") == ("than" in entry):
            raise ValueError("an effect is better: NAME, than: NAME or worse: NAME, than: NAME or equal: [NAME, NAME]")
        names = entry["equal"] if relation == "equal" else [entry[relation], entry["than"]]
        pairs = [variant_of(name, experiments) for name in names]
        if by is not None and not (type(by) in (int, float) and 0 < by < math.inf and relation != "equal"):
            raise ValueError(f"by = {by!r}, allowed: a positive number, the size of what is better or worse")
        what = quantity(entry.get("quantity", "test_accuracy"))
        if what.how.keys() & {"difference", "rank", "gradient", "setting"}:
            raise ValueError(f"quantity = {what.name!r}, allowed: what can be read from a single network")
    more = what, relation == "equal", by, str(entry.get("where", "")), file.line_of(keys)
    for pair in combinations(reversed(pairs) if relation == "worse" else pairs, 2):
        yield Effect(*pair, *more)


def variant_of(text, experiments):
    """Return (experiment, variant) of "NAME" or "NAME as VARIANT". Raises ValueError."""
    name, _, variant = str(text).partition(" as ")
    check_choice("experiment", name, list(experiments))
    check_choice(f"variant of {name}", variant or "stated", list(experiments[name].variants))
    return name, variant or "stated"


def _reason(file, keys, entry, experiments):
    """Return one Reason."""
    file.table(keys, entry, ("experiments", "numbers", "because", "measured", "excluded"))
    known = {"experiments": list(experiments), "numbers": sorted({n for e in experiments.values() for n in e.numbers})}
    patterns = {name: tuple(map(str, entry.get(name, ["*"]))) for name in known}
    for what, names in known.items():
        with file.at(*keys, what):
            for pattern in patterns[what]:
                if not any(fnmatchcase(name, pattern) for name in names):
                    check_choice(what, pattern, names)
    measured = file.table((*keys, "measured"), entry.get("measured"), ("from", "to"))
    with file.at(*keys):
        if not entry.get("because"):
            raise ValueError("a reason needs because: a sentence")
        for end in ("from", "to") if measured else ():
            if measured.get(end) not in VARIANTS:
                variant_of(measured.get(end), experiments)
    return Reason(**patterns, because=entry["because"], measured=measured, excluded=str(entry.get("excluded", "")))
