"""Which samples of a series come from the same subject, told only where the submitter said so.

Titles and numbers inside them are never used: what looks like a patient number may be a batch. A
subject is made from an explicit characteristic, one key for the whole series, and only if all that
the series says about it agrees.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .characteristics import Characteristics, fold

__all__ = ["Subject", "Subjects", "find_subjects"]

_WORDS = ("patient", "subject", "individual", "donor", "participant")
_ID_WORDS = ("id", "identifier", "number", "no", "code")
_UNKNOWN = frozenset(
    {"", "-", "--", "?", "na", "n/a", "n.a.", "nan", "none", "null", "unknown", "not applicable", "not available"}
    | {"not collected", "not provided", "missing", "pool", "pooled", "mixed", "yes", "no", "true", "false"}
)
# Without "id" in the key every value must look like the name of one individual: a capital letter, a
# number with at most a short prefix, or a dashed identifier, "patient" or "#" before it. "donor: healthy",
# "patient: AML" and "subject: stage 2" are groups, and then the key is not used at all.
_NAME_LIKE = re.compile(
    r"(?:(?i:patient|subject|individual|donor|participant)[ _-]*)?(?:no\.? *|# *)?"
    r"(?:[A-Z]|[A-Za-z]{0,8}[-_.]?[0-9]{1,12}|(?=(?:[^0-9]*[0-9]){3})[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)+)\Z"
)
_CONSTANT = {"sex": ("sex", "gender"), "age": ("age",), "disease": ("disease",)}
_MAX_NAME = 128


@dataclass(slots=True)
class Subject:
    """One subject: its name in the project, what all its samples agree on, and these samples."""

    submitter_id: str
    properties: dict[str, Any]
    samples: list[str]


@dataclass(slots=True)
class Subjects:
    """Subjects in order of their first sample, and the subject of each sample that has one."""

    found: list[Subject] = field(default_factory=list)
    of_sample: dict[str, str] = field(default_factory=dict)


def find_subjects(series: str, samples: Mapping[str, tuple[Characteristics, str | None]]) -> Subjects:
    """The subjects of a series from its samples' (characteristics of channel 1, organism).

    The names begin with the series' accession: patient 1 of one study is not patient 1 of the next.
    None are made when the series uses two such keys that disagree (a donor and a recipient), or when
    samples of one name differ in organism or sex, for then the key does not name individuals.
    """
    per_word = {word: names for word in _WORDS if (names := _names(word, samples))}
    if not per_word:
        return Subjects()
    # The word that most samples have; patient 1 and donor 1 of two samples are not joined.
    key = max(per_word, key=lambda word: len(per_word[word]))
    names = per_word[key]
    for other, their in per_word.items():
        if other != key and any(
            names.get(sample, name).casefold() != name.casefold() for sample, name in their.items()
        ):
            return Subjects()
    groups: dict[str, list[str]] = {}
    for sample in samples:
        if sample in names:
            groups.setdefault(names[sample].casefold(), []).append(sample)
    made = Subjects()
    for members in groups.values():
        rows = [samples[member] for member in members]
        organisms = {organism for _, organism in rows if organism}
        facts = {name: _agreed(name, [found for found, _ in rows]) for name in _CONSTANT}
        if len(organisms) > 1 or len(facts["sex"]) > 1:
            return Subjects()
        name = names[members[0]]
        properties: dict[str, Any] = {"label": name}
        if organisms:
            properties["organism"] = organisms.pop()
        for fact, values in facts.items():
            if len(values) == 1:
                properties[fact] = values[0]
        subject = Subject(f"{series}_{name}", properties, members)
        made.found.append(subject)
        made.of_sample |= dict.fromkeys(members, subject.submitter_id)
    return made


def _names(word: str, samples: Mapping[str, tuple[Characteristics, str | None]]) -> dict[str, str]:
    """Sample → name under one word, by the key with ``id`` if the series has one, else by the bare key."""
    with_id = {f"{word}_{suffix}" for suffix in _ID_WORDS} | {f"{word}id"}
    explicit: dict[str, str] = {}
    bare: dict[str, str] = {}
    for sample, (found, _) in samples.items():
        for key, value in found.items():
            name = fold(key)
            if name not in with_id and name != word:
                continue
            text = str(value).strip() if isinstance(value, str | int) else ""
            if text.casefold() in _UNKNOWN or len(text) > _MAX_NAME or not text.isprintable():
                continue
            if name in with_id:
                explicit.setdefault(sample, text)
            elif bare.setdefault(sample, text) != text:
                return {}
    if explicit:
        return explicit
    # One name for all is as likely a disease ("COVID-19") as a person.
    named = all(_NAME_LIKE.match(text) for text in bare.values()) and len(set(bare.values())) > 1
    return bare if named else {}


def _agreed(fact: str, rows: list[Characteristics]) -> list[Any]:
    """The different values that the samples give for a fact that fits the subject's property."""
    fits = (int, float) if fact == "age" else (str,)
    values = [value for row in rows for key, value in row.items() if fold(key) in _CONSTANT[fact]]
    fitting = [value for value in reversed(values) if isinstance(value, fits)]
    different = {value.casefold() if isinstance(value, str) else value: value for value in fitting}
    return list(different.values())
