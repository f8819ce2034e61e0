"""Text can be read on its ground: WCAG 2 contrast of 4.5:1 (3:1 for borders of fields), in both colour schemes."""

import re
from pathlib import Path

import pytest

import commensal.portal.assets as assets

THEME = (Path(assets.FOLDER) / "theme.css").read_text()
TEXT = [
    (ink, ground)
    for ink in (
        "ink",
        "muted",
        "accent",
        "accent-deep",
        "gen3",
        "polly",
        "pangea",
        "odm",
        "opal",
        "bad",
        "good",
        "warn",
    )
    for ground in ("paper", "surface")
] + [
    ("on-accent", "accent"),
    ("on-accent", "accent-deep"),
    ("accent-deep", "accent-soft"),
    ("ink", "accent-soft"),
    ("ink", "sunken"),
    ("muted", "sunken"),
    ("good", "good-soft"),
    ("warn", "warn-soft"),
    ("bad", "bad-soft"),
    ("ink", "good-soft"),
    ("ink", "warn-soft"),
    ("ink", "bad-soft"),
    ("paper", "ink"),
    ("surface", "bad"),
    ("code-ink", "code-ground"),
    ("code-muted", "code-ground"),
    ("code-mark", "code-ground"),
]
BORDERS = [("line-strong", "surface"), ("line-strong", "paper")]


def schemes() -> dict[str, dict[str, str]]:
    blocks = re.findall(r"([^{}]*)\{([^{}]*--paper[^{}]*)\}", THEME)
    colours = [dict(re.findall(r"--([a-z0-9-]+):\s*(#[0-9a-f]{6})", body)) for _, body in blocks]
    return {"light": colours[0], "dark by the system": colours[1], "dark by choice": colours[2]}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark by the system", "dark by choice"])
def test_text_has_contrast(scheme: str) -> None:
    colours = schemes()[scheme]
    low = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in TEXT}
    assert {pair: value for pair, value in low.items() if value < 4.5} == {}
    edges = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in BORDERS}
    assert {pair: value for pair, value in edges.items() if value < 3} == {}


def test_both_ways_to_dark_are_the_same() -> None:
    assert schemes()["dark by the system"] == schemes()["dark by choice"]
