from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft4Validator

from commensal.dictionaries import open_dictionary
from commensal.errors import Invalid, InvalidRows, NotFound
from commensal.importers import EXTRA, CancelFlag, Counts, SilentProgress, import_geo

from .support import MemorySink, shared, soft, write

RENAL = "Trizol isolation of total RNA from Renal Clear Cell Carcinoma tissue"
REAL = "data/geo/GSE781_family.soft.gz"


async def imported(tmp_path: Path, text: str, **options) -> MemorySink:
    sink = MemorySink()
    await import_geo(write(tmp_path / "GSE1_family.soft", text), sink, **options)
    return sink


async def test_the_real_series():
    sink, path = MemorySink(), shared(REAL)
    report = await import_geo(path, sink)
    samples = {sample["submitter_id"]: sample for sample in sink.of("sample")}
    assert sink.programs == ["GEO"]
    project = sink.projects["GEO", "GSE781"]
    assert project["kind"] == "study"
    assert project["title"] == "Normal and Renal Cell Carcinoma Kidney Tissue, Human"
    assert sink.submissions == [(36, False)]
    assert len(samples) == 34
    assert Counter(sample["platform"] for sample in samples.values()) == {"GPL96": 17, "GPL97": 17}
    assert sum(sample["source_name"] == RENAL for sample in samples.values()) == 18
    # GSM11810 has a title for a description, and nothing but keywords and a batch in pieces.
    assert [name for name, sample in samples.items() if "age" not in sample] == ["GSM11810"]
    assert samples["GSM11810"]["description"] == "N035 Normal Human Kidney U133B"
    first = samples["GSM11805"]
    assert first["label"] == "N035 Normal Human Kidney U133A"
    assert (first["age"], first["organism"], first["molecule"]) == (70, "Homo sapiens", "total RNA")
    assert first["description"] == "Right Kidney"
    assert first["datasets"] == {"submitter_id": "GSE781_GPL96"}
    extra = first[EXTRA]
    assert extra["Gender"] == "Female"
    assert extra["Adjacent Tumor Type"] == "clear cell"
    assert (extra["Adjacent Tumor Fuhrman Grade"], extra["Noise"], extra["Background"]) == (3, 2.6, 55.24)
    assert extra["Adjacent Tumor Capsule Penetration"] == "true"
    assert extra["Keywords"] == ["kidney", "renal", "RCC", "carcinoma", "cancer"]
    assert extra["Lot batch"] == 2004638
    assert extra["sample_type"] == "RNA"
    assert extra["supplementary_file"].endswith("GSM11805.CEL.gz")
    assert "Age" not in extra
    # 35 and 035 in the titles are numbers of patients only to a person: no subject is guessed.
    assert sink.of("subject") == []
    datasets = {dataset["submitter_id"]: dataset for dataset in sink.of("dataset")}
    assert sorted(datasets) == ["GSE781_GPL96", "GSE781_GPL97"]
    one = datasets["GSE781_GPL97"]
    assert one["label"] == project["title"]
    assert one["summary"].startswith("Each total RNA sample is hybridized to two different arrays")
    assert one["summary"].endswith("Keywords: parallel sample")
    assert (one["year"], one["publication"], one["data_source"]) == (2003, "14641932", "GEO")
    assert (one["platform"], one["organism"]) == ("GPL97", "Homo sapiens")
    assert one["data_type"] == "Expression profiling by array"
    assert one["projects"] == {"code": "GSE781"}
    assert one[EXTRA]["platform_title"] == "[HG-U133B] Affymetrix Human Genome U133B Array"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert sink.files == {"GSE781_family.soft.gz": (digest, "application/gzip", None)}
    assert report.counts == {"dataset": Counts(created=2), "sample": Counts(created=34)}
    assert report.files == ["GSE781_family.soft.gz"]

    again = await import_geo(path, sink)
    assert again.counts == {"dataset": Counts(unchanged=2), "sample": Counts(unchanged=34)}

    text = json.dumps([sink.records[key] for key in sink.records], ensure_ascii=False)
    for private in ("@", "Lenburg", "617-414", "Albany Street", "02130", "Boston", "contact", "Liou"):
        assert private not in text


async def test_the_same_file_gives_the_same_documents_in_the_same_order():
    one, two = MemorySink(), MemorySink()
    await import_geo(shared(REAL), one)
    await import_geo(shared(REAL), two)
    assert json.dumps(list(one.records.values())) == json.dumps(list(two.records.values()))


async def test_documents_are_valid_in_the_open_dictionary(tmp_path: Path):
    told = soft(
        {
            "GSM1": [
                "characteristics_ch1 = patient id: 1",
                "characteristics_ch1 = age: 70",
                "characteristics_ch1 = Sex: F",
            ]
        },
        series=["status = Public on Nov 25 2003", "pubmed_id = 1", "pubmed_id = 2", "type = a", "type = b"],
    )
    sink = await imported(tmp_path, told)
    await import_geo(shared(REAL), sink)
    assert {name for name, _ in sink.records} == {"dataset", "subject", "sample"}
    for (name, _), document in sink.records.items():
        properties = {key: value for key, value in document.items() if key != EXTRA}
        schema = open_dictionary()[name]
        assert [error.message for error in Draft4Validator(schema).iter_errors(properties)] == []
        # Free metadata does not hide in a property's place either.
        assert not set(document.get(EXTRA, {})) & set(schema["properties"]) & set(properties)


async def test_a_curated_data_set_is_refused_with_what_is_expected():
    sink = MemorySink()
    with pytest.raises(Invalid, match=r"line 7: .*curated DataSet GDS507.*GSE781_family\.soft\.gz"):
        await import_geo(shared("data/geo/GDS507.soft.gz"), sink)
    assert sink.programs == []


async def test_characteristics_become_properties_or_free_metadata(tmp_path: Path):
    sink = await imported(
        tmp_path,
        soft(
            {
                "GSM1": [
                    *(
                        "organism_ch1 = Mus musculus",
                        "source_name_ch1 = liver",
                        "taxid_ch1 = 10090",
                        "label_ch1 = biotin",
                    ),
                    *("characteristics_ch1 = Cell Type: hepatocyte", "characteristics_ch1 = age: 12 weeks"),
                    *(
                        "characteristics_ch1 = marker: A",
                        "characteristics_ch1 = marker: 2",
                        "characteristics_ch1 = Sex: F",
                    ),
                    *("characteristics_ch1 = organism: mouse", "characteristics_ch1 = relation: sister"),
                    "characteristics_ch1 = type: tumor",
                    *("characteristics_ch1 = Tissue: x", "characteristics_ch1 = tissue: liver"),
                    *("description = n = 3", "description = second", "relation = BioSample: b", "type = SRA"),
                    *("treatment_protocol_ch1 = p", "supplementary_file_1 = NONE", "contact_email = a@b.c"),
                ],
                "GSM2": ["description = Age = 5"],
            }
        ),
    )
    one, two = sink.of("sample")
    assert one == {
        "type": "sample",
        "submitter_id": "GSM1",
        "label": "title of GSM1",
        "description": "n = 3\nsecond",
        "organism": "Mus musculus",
        "source_name": "liver",
        "platform": "GPL1",
        "cell_type": "hepatocyte",
        "sex": "F",
        "tissue": "liver",
        EXTRA: {
            "age": "12 weeks",
            "marker": ["A", 2],
            "organism (characteristic)": "mouse",
            "relation": "sister",
            "type": "tumor",
            "Tissue": "x",
            "taxid": 10090,
            "dye": "biotin",
            "sample_relation": "BioSample: b",
            "sample_type": "SRA",
            "treatment_protocol": "p",
        },
        "datasets": {"submitter_id": "GSE1_GPL1"},
    }
    # One sample with characteristics makes all descriptions of the series prose.
    assert (two["description"], "age" in two) == ("Age = 5", False)


async def test_channels_keep_their_numbers(tmp_path: Path):
    attributes = ["channel_count = 2"]
    for channel, organism in ((1, "Homo sapiens"), (2, "Mus musculus")):
        attributes += [f"organism_ch{channel} = {organism}", f"source_name_ch{channel} = s{channel}"]
        attributes += [f"label_ch{channel} = Cy{channel}", f"characteristics_ch{channel} = tissue: t{channel}"]
    sink = await imported(tmp_path, soft({"GSM1": attributes}))
    (sample,) = sink.of("sample")
    assert (sample["organism"], sample["source_name"], sample["tissue"]) == ("Homo sapiens", "s1", "t1")
    assert sample[EXTRA] == {
        "tissue (channel 2)": "t2",
        "channel_count": 2,
        "label_ch1": "Cy1",
        "organism_ch2": "Mus musculus",
        "source_name_ch2": "s2",
        "label_ch2": "Cy2",
    }


def people(**samples: str) -> str:
    return soft({name: [f"characteristics_ch1 = {c}" for c in text.split("; ")] for name, text in samples.items()})


async def test_subjects_that_the_series_tells(tmp_path: Path):
    text = people(
        GSM1="patient id: 007; sex: F; age: 50; disease: x",
        GSM2="patient id: 007; gender: f; disease: y",
        GSM3="patient id: NA",
    )
    sink = await imported(tmp_path, text)
    assert sink.of("subject") == [
        {
            "type": "subject",
            "submitter_id": "GSE1_007",
            "label": "007",
            "sex": "F",
            "age": 50,
            "projects": {"code": "GSE1"},
        }
    ]
    assert [sample.get("subjects") for sample in sink.of("sample")] == [{"submitter_id": "GSE1_007"}] * 2 + [None]


@pytest.mark.parametrize(
    ("samples", "subjects"),
    [
        (["donor: 1", "donor: 2", "donor: 1"], 2),
        (["Donor: A", "donor: B"], 2),
        (["individual: P12", "individual: Individual 3"], 2),
        (["patient: TCGA-AB-1234", "patient: TCGA-AB-1235"], 2),
        (["patient: 3; patient id: x1", "patient: 4; patient id: X1"], 1),
        (["donor: healthy", "donor: 1"], 0),
        (["patient: AML", "patient: T2D"], 0),
        (["patient: COVID-19", "patient: COVID-19"], 0),
        (["subject: stage 2", "subject: stage 3"], 0),
        (["donor: D1; recipient: R1; patient: P1", "donor: D2; patient: P2"], 0),
        (["donor: 1; patient: 1", "patient: 2"], 2),
        (["donor: 1", "donor: 2", "patient: 1", "patient: 2", "patient: 3"], 3),
        (["patient: 1; Patient: 2", "patient: 3"], 0),
        (["subject id: 1; sex: F", "subject id: 1; sex: M"], 0),
        (["patient no: 1; patient no: 2", "patient no: unknown"], 0),
        (["batch: 1", "replicate: 2"], 0),
    ],
)
async def test_when_subjects_are_made(tmp_path: Path, samples: list[str], subjects: int):
    sink = await imported(tmp_path, people(**{f"GSM{n}": text for n, text in enumerate(samples)}))
    assert len(sink.of("subject")) == subjects
    linked = {sample["subjects"]["submitter_id"] for sample in sink.of("sample") if "subjects" in sample}
    assert linked == {subject["submitter_id"] for subject in sink.of("subject")}


async def test_an_atlas_takes_several_series(tmp_path: Path):
    sink = MemorySink()
    for accession, sample in (("GSE1", "GSM1"), ("GSE2", "GSM2")):
        text = soft({sample: ["characteristics_ch1 = subject id: 1"]}, accession=accession)
        folder = tmp_path / accession
        folder.mkdir()
        await import_geo(write(folder / "family.soft", text), sink, program="LAB", atlas="kidney", public="read")
    assert sink.projects == {
        ("LAB", "kidney"): {"kind": "atlas", "title": "kidney", "properties": {}, "public": "read"}
    }
    assert [record["submitter_id"] for record in sink.of("subject")] == ["GSE1_1", "GSE2_1"]
    assert {record["projects"]["code"] for record in sink.of("dataset")} == {"kidney"}
    # Equal file names of two series stay two files; a series on one platform gives the file to its dataset.
    assert {path: record for path, (_, _, record) in sink.files.items()} == {
        "GSE1/family.soft": ("dataset", "GSE1_GPL1"),
        "GSE2/family.soft": ("dataset", "GSE2_GPL1"),
    }


async def test_names_are_checked_before_the_file_is_read(tmp_path: Path):
    path = tmp_path / "none.soft"
    with pytest.raises(Invalid, match="program"):
        await import_geo(path, MemorySink(), program="A-B")
    with pytest.raises(Invalid, match="not both"):
        await import_geo(path, MemorySink(), project="a", atlas="b")
    with pytest.raises(NotFound):
        await import_geo(path, MemorySink())
    with pytest.raises(Invalid, match="project"):
        await imported(tmp_path, soft({"GSM1": []}), project="a b")


GOOD = soft({"GSM1": [], "GSM2": []})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD[: GOOD.index("^SAMPLE = GSM2")], r"line 6: the series lists 2 samples, but 1 of them .*\(GSM2\)"),
        (GOOD[: GOOD.index("^SAMPLE = GSM1")], "line 3: .*none of its samples"),
        (GOOD.replace("^SERIES = GSE1", "^OTHER = x"), "holds no .SERIES"),
        (
            GOOD.replace("^SAMPLE = GSM2", "^SAMPLE = gsm1"),
            "line 26: sample gsm1 stands in this file twice, first in line 18",
        ),
        (GOOD + "^SERIES = GSE2\n", "line 34: a second series, GSE2, after GSE1"),
        (
            GOOD.replace("!Sample_platform_id = GPL1", "!Sample_platform_id = GPL9", 1),
            "line 20: sample GSM1 names .*'GPL9'",
        ),
        (GOOD.replace("!Sample_platform_id = GPL1\n", "", 1), "line 18: sample GSM1 has no Sample_platform_id"),
        (GOOD.replace("^SAMPLE = GSM2", "^SAMPLE = a b"), "line 26: 'a b' is no accession"),
    ],
)
async def test_an_incomplete_series_is_refused_by_line_and_nothing_is_written(tmp_path: Path, text: str, says: str):
    sink = MemorySink()
    with pytest.raises(Invalid, match=says):
        await import_geo(write(tmp_path / "x.soft", text), sink)
    assert (sink.programs, sink.projects, sink.records, sink.files) == ([], {}, {}, {})


async def test_refused_rows_are_named_by_line_and_accession(tmp_path: Path):
    sink = MemorySink(refuse=lambda document: "no" if document["submitter_id"] == "GSM2" else None)
    progress = SilentProgress()
    with pytest.raises(InvalidRows) as caught:
        await import_geo(write(tmp_path / "x.soft", GOOD), sink, progress=progress)
    (problem,) = caught.value.problems
    assert (problem.line, problem.row, problem.record) == (26, 3, "x.soft row 3 (GSM2)")
    assert sink.files == {}
    assert "Written to GEO-GSE1: nothing." in progress.notes[0]


async def test_cancel_while_reading_and_before_writing(tmp_path: Path):
    path, cancel, sink = write(tmp_path / "x.soft", GOOD), CancelFlag(), MemorySink()
    cancel.request()
    report = await import_geo(path, sink, cancel=cancel)
    assert report.interrupted
    assert sink.programs == []

    class CancelsWhenWritten(MemorySink):
        async def submit(self, *arguments, **options):
            result = await super().submit(*arguments, **options)
            late.request()
            return result

    late, progress, second = CancelFlag(), SilentProgress(), CancelsWhenWritten()
    report = await import_geo(path, second, cancel=late, progress=progress)
    assert report.interrupted
    assert (len(second.of("sample")), second.files) == (2, {})
    assert "2 sample (2 new, 0 changed, 0 unchanged)" in progress.notes[0]


async def test_a_cancelled_task_ends_between_entities(tmp_path: Path):
    sink = MemorySink()
    task = asyncio.create_task(import_geo(write(tmp_path / "x.soft", GOOD), sink))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sink.programs == []
