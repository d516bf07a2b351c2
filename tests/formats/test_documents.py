"""YAML from anybody: what it is taken for, and what is refused before it does harm."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from debtreg.formats import documents
from debtreg.formats.documents import NotReadable
from tests.formats.samples import read, written

FIELDS = st.sampled_from(
    [
        *("kind", "metadata", "name", "spec", "service", "objectives", "target", "indicator"),
        *("timeWindow", "duration", "ratioMetric", "good", "metricSource", "query", "slos"),
        *("sli", "events", "error_query", "total_query", "objective", "dependsOn", "owner"),
        *("annotations", "labels", "calendar", "timeSliceWindow", "alertPolicies"),
    ]
)
VERSIONS = [
    *({"apiVersion": version, "kind": "SLO"} for version in ("openslo/v1", "openslo/v1alpha")),
    {"apiVersion": "openslo.com/v2alpha", "kind": "SLO"},
    {"apiVersion": "openslo/v1"},
    {"version": "prometheus/v1"},
    {"apiVersion": "sloth.slok.dev/v1", "kind": "PrometheusServiceLevel"},
    {"apiVersion": "backstage.io/v1alpha1", "kind": "Component"},
    {"apiVersion": "backstage.io/v1alpha1"},
]


def one(text):
    return documents.load_one(text)


def test_numbers_with_a_point_are_exact():
    assert one("a: 0.10\nb: 99.95\nc: 1e-3\nd: 3") == {
        "a": Decimal("0.10"),
        "b": Decimal("99.95"),
        "c": Decimal("0.001"),
        "d": 3,
    }
    assert isinstance(one("a: 0.1")["a"], Decimal)


@pytest.mark.parametrize(
    "text", ["2022-01-01 12:00:00", "2022-01-01", "12:30:00", "yes", "on", "010", "-08", "007.5"]
)
def test_what_only_old_yaml_takes_for_something_else_stays_text(text):
    assert one(f"a: {text}") == {"a": text}


def test_what_stands_in_quotes_is_text():
    assert one("""{a: "0.99", b: 'true', c: "", d: !!str 5}""") == {
        "a": "0.99",
        "b": "true",
        "c": "",
        "d": "5",
    }


def test_keys_are_texts():
    assert one("on: 1\n1: 2\nnull: 3") == {"on": 1, "1": 2, "null": 3}


def test_aliases_are_copies_and_merges_are_made():
    found = one("base: &b {q: [1]}\na: *b\nc: {<<: *b, r: 2}")

    assert found == {"base": {"q": [1]}, "a": {"q": [1]}, "c": {"q": [1], "r": 2}}
    assert found["a"] is not found["base"]


def test_every_field_has_its_line_and_what_it_is_in_lends_it_its_own():
    (found,) = documents.load("a:\n  b:\n    - c: 1\n    - c: 2\n")

    assert found.line_of("a.b[1].c") == 4
    assert found.line_of("a.b[1].c.missing") == 4
    assert found.line_of("nothing") == 1


def test_a_key_that_stands_twice_is_noted():
    (found,) = documents.load("a: 1\nb: {c: 1, c: 2}\na: 3")

    assert found.value["a"] == 3
    assert sorted(found.repeated) == ["a", "b.c"]


def test_documents_are_numbered_and_empty_ones_are_left_out():
    found = documents.load("---\na: 1\n---\n---\nb: 2\n")

    assert [(each.number, each.line, each.value) for each in found] == [
        (1, 2, {"a": 1}),
        (2, 5, {"b": 2}),
    ]


def bomb():
    names = "abcdefghi"
    lines = [f"a: &a [{', '.join('x' * 9)}]"]
    for before, name in pairwise(names):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (bomb(), "more than 40,000 values"),
        ("- {}\n" * 200_000, "more than 40,000 values"),
        ("[" + "[]," * 300_000, "more than 40,000 values"),
        ("a: &a [*a]", "nested more than 50 deep"),
        ("[" * 100_000, "nested more than 50 deep"),
        ("{a: " * 60 + "}" * 60, "nested more than 50 deep"),
        ("- " * 60 + "x", "nested more than 50 deep"),
        ("a: 1\nb: [", "not YAML, line"),
        ("a: *nowhere", "nothing before it is called &nowhere"),
        ("!!python/object/apply:os.system [ls]", "are not read"),
        ("a: !secret x", "are not read"),
        ('a: "\\0"', "can't be stored"),
        ('"\\ud800": 1', "not YAML"),
        ("\0", "control characters"),
        ("{{ x }}: 3", "a key is a list or a mapping"),
        (b"\xff\xfe", "not text in UTF-8"),
        ("x" * (documents.MOST_BYTES + 1), "longer than 2 MiB"),
        (f"a: &a {'x' * 300_000}\nb: [{', '.join(['*a'] * 9)}]", "aliases counted each time"),
        ("a: 1\n<<: 1", "Line 2: << takes in a mapping"),
        ("a: &a [1]\n<<: [*a]", "Line 2: << takes in a mapping"),
    ],
)
def test_what_does_harm_is_refused_in_a_sentence(text, problem):
    with pytest.raises(NotReadable, match=problem) as refused:
        documents.load(text)
    assert refused.value.hint


def test_more_than_one_document_is_refused_where_one_is_meant():
    with pytest.raises(NotReadable, match="Line 3: a second document"):
        one("a: 1\n---\nb: 2")


def test_what_is_written_reads_back_the_same():
    value = {
        "n": Decimal("0.10"),
        "ratio": Decimal("1E-7"),
        "date": "2022-01-01 12:00:00",
        "words": [
            "yes",
            "null",
            "~",
            "0x1f",
            "1e3",
            "12:30",
            "",
            " x ",
            "1_000",
            "007",
            "#",
            "- a",
        ],
        "lines": "one\ntwo\n",
        "crooked": "one \n\n two",
        "query": 'sum(increase(a{b=~"5.."}[{{.window}}]))',
        "nothing": None,
        "truth": True,
        "same": [{"a": 1}, {"a": 1}],
        "text": "中文",
    }

    text = documents.dump(value)

    assert one(text) == value
    assert documents.dump(one(text)) == text


def test_an_exact_number_survives_json_and_one_that_is_longer_stays_as_text():
    found = documents.storable({"a": [Decimal("0.10"), Decimal("0.1234567890123456789")], "b": 1})

    assert found == {"a": [0.1, "0.1234567890123456789"], "b": 1}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 500) | st.text("aSLO:-./{}$ ", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=25,
)


@given(value=ANYTHING, version=st.sampled_from(VERSIONS))
@settings(max_examples=300, deadline=None)
def test_whatever_a_file_says_ends_in_entries_or_findings(value, version):
    given_ = {**(value if isinstance(value, dict) else {"spec": value}), **version}
    text = documents.dump(given_)
    assume("${{" not in text and "{%" not in text)  # a skeleton is refused whole

    contents = read(text, source_format="" if version else "openslo")

    assert contents.slos or contents.kept or contents.services or contents.findings
    written(contents)
