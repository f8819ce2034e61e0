"""One GEO series as documents of the open dictionary. Pure: entities in, documents out.

======== =====================================================================================
type     what it is made from
======== =====================================================================================
dataset  the series on one platform, ``GSE781_GPL96``: title, summary, design, type, year, PubMed ids
subject  a person or animal that the submitter numbered (``patient id: 12``), ``GSE781_12``
sample   a GSM record, its accession as ``submitter_id``
======== =====================================================================================

Attributes that the open dictionary has no property for are free metadata under their GEO name in lower
case without the kind; characteristics keep the submitter's spelling. With two or more channels the
properties are those of channel 1, its characteristics keep their keys, and those of channel N get
`` (channel N)`` behind them. Contacts and contributors are persons and are never taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .characteristics import Characteristics, characteristics, fold, from_description, number
from .geo_subjects import Subjects, find_subjects
from .rows import Row
from .sink import EXTRA, Document
from .soft import SoftEntity

__all__ = ["DATASETS", "PROJECTS", "SUBJECTS", "Series", "dataset_id", "series_rows"]

PROJECTS, SUBJECTS, DATASETS = "projects", "subjects", "datasets"
"""Link names of the open dictionary."""

# What a characteristic may set, and the types that fit. Everything else is free metadata.
_FROM_CHARACTERISTICS: dict[str, tuple[type, ...]] = {
    "age": (int, float),
    "sex": (str,),
    "tissue": (str,),
    "cell_type": (str,),
    "cell_line": (str,),
    "disease": (str,),
    "treatment": (str,),
}
_CHANNEL = re.compile(r"(.+)_ch([0-9]{1,3})\Z")
_YEAR = re.compile(r"\b(1[89][0-9]{2}|2[0-9]{3})\s*\Z")
_PERSONS = ("contact_", "contributor", "citation")
_SERIES_TAKEN = {
    *("title", "geo_accession", "summary", "overall_design", "type", "pubmed_id"),
    *("sample_id", "platform_id", "platform_organism", "sample_organism", "platform_taxid", "sample_taxid"),
}
_SAMPLE_TAKEN = {"title", "geo_accession", "platform_id", "description", "characteristics"}
_IDENTITY = {"type", "submitter_id"}
_CHANNEL_1 = {"organism", "source_name", "molecule"}


@dataclass(slots=True)
class Series:
    """The entities of one family file, in file order."""

    series: SoftEntity
    platforms: dict[str, SoftEntity] = field(default_factory=dict)
    samples: dict[str, SoftEntity] = field(default_factory=dict)

    @property
    def accession(self) -> str:
        """``GSE…``."""
        return self.series.accession

    @property
    def title(self) -> str:
        """The title, or the accession of a series that has none."""
        return self.series.first("title") or self.accession

    def facts(self) -> dict[str, str]:
        """Text about the series as a whole: title, summary, design, as far as it has them."""
        found = {
            "title": self.series.first("title"),
            "summary": _text(self.series, "summary"),
            "overall_design": _text(self.series, "overall_design"),
        }
        return {key: value for key, value in found.items() if value}

    def platform_of(self, sample: SoftEntity) -> str:
        """Accession of the platform that a sample was measured on."""
        return sample.first("platform_id") or ""

    def platform_ids(self) -> list[str]:
        """Platforms of the series, then those that only samples name."""
        used = (self.platform_of(sample) for sample in self.samples.values())
        return list(dict.fromkeys([*self.series.values("platform_id"), *used]))


def dataset_id(series: str, platform: str) -> str:
    """Name of the dataset of a series on a platform."""
    return f"{series}_{platform}"


def series_rows(series: Series, project: str) -> list[Row]:
    """Every document of the series in the order datasets, subjects, samples; the same file gives the same rows."""
    described = _describe(series)
    subjects = find_subjects(
        series.accession,
        {
            accession: (single, series.samples[accession].first("organism_ch1"))
            for accession, (single, _, _) in described.items()
        },
    )
    rows = [*_datasets(series, project), *_subject_rows(series, subjects, project)]
    rows += [
        _sample(series, sample, described[accession], subjects.of_sample.get(accession))
        for accession, sample in series.samples.items()
    ]
    for place, row in enumerate(rows, 1):
        row.row = place
    return rows


def _datasets(series: Series, project: str) -> Iterator[Row]:
    entity = series.series
    organisms: dict[str, list[str]] = {}
    for sample in series.samples.values():
        organisms.setdefault(series.platform_of(sample), []).extend(sample.values("organism_ch1"))
    common: Document = {"label": entity.first("title")}
    common |= {key: value for key, value in series.facts().items() if key != "title"}
    common |= {
        "data_type": _joined(entity.values("type")),
        "data_source": "GEO",
        "year": _year(entity),
        "publication": _joined(entity.values("pubmed_id"), ", "),
    }
    for name in series.platform_ids():
        platform = series.platforms.get(name)
        made_of = organisms.get(name) or (platform.values("organism") if platform else [])
        extra: dict[str, Any] = {}
        if platform is not None:
            for key in ("title", "technology", "manufacturer"):
                _put(extra, f"platform_{key}", platform.values(key))
        extra |= _free(entity, _SERIES_TAKEN, "series")
        document: Document = {"type": "dataset", "submitter_id": dataset_id(series.accession, name)}
        document |= common | {"platform": name, "organism": _joined(made_of)}
        yield _row(document, extra, {PROJECTS: {"code": project}}, entity.line)


def _subject_rows(series: Series, subjects: Subjects, project: str) -> Iterator[Row]:
    for subject in subjects.found:
        document: Document = {"type": "subject", "submitter_id": subject.submitter_id, **subject.properties}
        line = series.samples[subject.samples[0]].line
        yield _row(document, {}, {PROJECTS: {"code": project}}, line)


_Described = tuple[Characteristics, Characteristics, str | None]
"""Characteristics of channel 1, those of all channels with their suffixes, and the description text."""


def _describe(series: Series) -> dict[str, _Described]:
    # Whether descriptions are read as pieces is decided for the series, not for the sample: where
    # characteristics are in use, a description is prose.
    structured = any(
        sample.values(name)
        for sample in series.samples.values()
        for name in sample.attributes
        if name.startswith("characteristics")
    )
    return {accession: _described(sample, structured=structured) for accession, sample in series.samples.items()}


def _described(sample: SoftEntity, *, structured: bool) -> _Described:
    if not structured:
        found, text = from_description(sample.values("description"))
        return found, found, text
    text = _text(sample, "description")
    first: Characteristics = {}
    every: Characteristics = {}
    for name in sample.attributes:
        base, channel = _channel(name)
        if base != "characteristics":
            continue
        found = characteristics(sample.values(name))
        if channel <= 1:
            first |= found
            every |= found
        else:
            every |= {f"{key} (channel {channel})": value for key, value in found.items()}
    return first, every, text


def _sample(series: Series, sample: SoftEntity, described: _Described, subject: str | None) -> Row:
    first, every, text = described
    platform = series.platform_of(sample)
    document: Document = {
        "type": "sample",
        "submitter_id": sample.accession,
        "label": sample.first("title"),
        "description": text,
        "organism": _joined(_channel_1(sample, "organism")),
        "source_name": _joined(_channel_1(sample, "source_name")),
        "molecule": _joined(_channel_1(sample, "molecule")),
        "platform": platform,
    }
    extra: dict[str, Any] = {}
    # A key spelled exactly like the property goes first, so that "Tissue" cannot take the place of "tissue".
    taken: set[str] = set()
    for key in sorted(first, key=lambda key: key not in _FROM_CHARACTERISTICS):
        name, value = fold(key), first[key]
        fits = _FROM_CHARACTERISTICS.get(name, ())
        if name not in document and isinstance(value, fits) and value != "":
            document[name] = value
            taken.add(key)
    for key, value in every.items():
        if key not in taken:
            # Free metadata never stands under the name of a property that has a value of its own.
            clash = key not in _IDENTITY and document.get(key) is not None
            extra[f"{key} (characteristic)" if clash else key] = value
    for key, value in _free(sample, _SAMPLE_TAKEN, "sample").items():
        extra[f"sample_{key}" if key in extra else key] = value
    links: Document = {DATASETS: {"submitter_id": dataset_id(series.accession, platform)}}
    if subject is not None:
        links[SUBJECTS] = {"submitter_id": subject}
    return _row(document, extra, links, sample.line)


def _free(entity: SoftEntity, taken: set[str], kind: str) -> dict[str, Any]:
    """Attributes without a property, as free metadata; ``_ch1`` is dropped where it is the only channel."""
    only_channel = not any(_channel(name)[1] > 1 for name in entity.attributes)
    extra: dict[str, Any] = {}
    for name in entity.attributes:
        base, channel = _channel(name)
        values = [value for value in entity.values(name) if value.upper() != "NONE"]
        if base in taken or base.startswith(_PERSONS) or (channel == 1 and base in _CHANNEL_1):
            continue
        key = base if only_channel and channel == 1 else name
        # `type` is an identity key, `label` (the dye) the sample's own title in the open dictionary.
        key = {"type": f"{kind}_type", "label": "dye"}.get(key, key)
        _put(extra, key, values)
    return extra


def _put(extra: dict[str, Any], key: str, values: list[str]) -> None:
    if values:
        extra[key] = number(values[0]) if len(values) == 1 else [number(value) for value in values]


def _channel(name: str) -> tuple[str, int]:
    """Name without its channel, and the channel (0: it has none)."""
    match = _CHANNEL.match(name)
    return (match[1], int(match[2])) if match else (name, 0)


def _channel_1(sample: SoftEntity, name: str) -> list[str]:
    return sample.values(f"{name}_ch1") or sample.values(name)


def _row(document: Document, extra: dict[str, Any], links: Document, line: int) -> Row:
    kept = {key: value for key, value in document.items() if value is not None and value != ""}
    if extra:
        kept[EXTRA] = extra
    return Row({**kept, **links}, line, 0)


def _joined(values: Iterable[str], separator: str = "; ") -> str | None:
    return separator.join(dict.fromkeys(values)) or None


def _text(entity: SoftEntity, name: str) -> str | None:
    return "\n".join(entity.attributes.get(name, ())).strip() or None


def _year(entity: SoftEntity) -> int | None:
    """Year in which the series became public (``Public on Nov 25 2003``), else of its submission."""
    for name in ("status", "submission_date"):
        match = _YEAR.search(entity.first(name) or "")
        if match:
            return int(match[1])
    return None
