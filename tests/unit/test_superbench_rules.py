"""SuperBench's rules: criteria read without evaluating anything, and what hosts break them, in its words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.analyse.criteria import Value, criterion
from fleet.analyse.diagnosis import diagnose
from fleet.cli import superbench
from fleet.codec.superbench import load_baseline, load_results, load_rules
from fleet.errors import ConfigurationError
from fleet.report.export.diagnosis import diagnosis_html, diagnosis_json, diagnosis_jsonl, diagnosis_markdown
from fleet.report.screens.diagnosis import diagnosis_lines

ALLOWED: list[tuple[str, Value]] = [
    ("lambda x:x>0.05", 0.1),
    ("lambda x: x != 0", 0),
    ("lambda x: -1 < x <= 2 and not x == 1.5", 1.5),
    ("lambda x: abs(x) / 3 // 1 % 2 > .5", -7.5),
    ('lambda label:True if label["a"]+label["b"]>=2 else False', {"a": 1, "b": 1}),
    ('lambda label: bool(min(label["r"].values())<1)', {"r": {"m:0": 0.5, "m:1": 2}}),
    ('lambda label: bool(min(label["r"].values())/max(label["r"].values())<0.95)', {"r": {"m": 1, "n": 2}}),
    ('lambda l: sum(l["r"].values()) / len(l["r"].values()) > max(1, 2)', {"r": {"m": 1, "n": 9}}),
]


@pytest.mark.parametrize(("text", "value"), ALLOWED)
def test_a_criterion_says_what_python_would(text: str, value: Value) -> None:
    """The documented forms come out as Python's own evaluation has them."""
    assert criterion(text)(value) == eval(text)(value)  # noqa: S307 (the reference, on literals of this file)


@given(
    st.recursive(
        st.sampled_from(["x", "1", "0.5", "-2", "True"]),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "<", ">=", "==", " and ", " or "]), inner).map(
                lambda parts: f"({''.join(parts)})"
            ),
            inner.map(lambda part: f"(not {part})"),
            inner.map(lambda part: f"abs({part})"),
            st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} if {parts[1]} else {parts[2]})"),
        ),
        max_leaves=8,
    ),
    st.floats(-1e6, 1e6),
)
def test_any_allowed_criterion_agrees_with_python(body: str, value: float) -> None:
    """Whatever is allowed means what it means in Python, the type of the answer included."""
    found, wanted = criterion(f"lambda x: {body}")(value), eval(f"lambda x: {body}")(value)  # noqa: S307 (as above)
    assert (found, type(found)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    "text",
    [
        "x > 5",
        "lambda: 1",
        "lambda x, y: x",
        "lambda x=1: x",
        "lambda *x: 1",
        "lambda x: y",
        "lambda x: __import__('os').system('true')",
        "lambda x: ().__class__.__bases__",
        "lambda x: x.__class__",
        "lambda x: x.values",
        "lambda x: x.items()",
        "lambda x: 9**9**9",
        "lambda x: 1 << 99",
        "lambda x: 'a' * 9",
        "lambda x: [1] * 9",
        "lambda x: [y for y in x]",
        "lambda x: (y := x)",
        "lambda x: f'{x}'",
        "lambda x: x[0]",
        "lambda x: x['a':]",
        "lambda x: open('/etc/passwd')",
        "lambda x: eval('1')",
        "lambda x: min(x, key=x)",
        "lambda x: min(*x)",
        "lambda x: lambda y: 1",
        "lambda x: 1j",
        "lambda x: 1" + "0" * 400,
        "lambda x: " + "-" * 60 + "x",
        "lambda x: x" + " " * 1000,
        "lambda x: bool(min(x)))<1)",
        "lambda x:\0",
    ],
)
def test_whatever_else_is_refused(text: str) -> None:
    """Names, attributes, powers, texts, comprehensions: nothing that could reach further, or never end."""
    with pytest.raises(ValueError, match=r"allowed|expected|nested"):
        criterion(text)


RULES = r"""
version: v0.4
superbench:
  rules:
    slow: {function: variance, criteria: 'lambda x:x<-0.05', categories: Mem, metrics: ['mem-bw/H2D:\d+']}
    codes: {function: failure_check, criteria: 'lambda x:x!=0', categories: FailedTest, metrics: ['.*/return_code']}
    hot: {function: value, criteria: 'lambda x:x>80', categories: Heat, store: true, metrics: 'gpu/temperature:\d+'}
    kept: {categories: Heat, store: true, metrics: ['gpu/temperature:\d+']}
    two: {function: multi_rules, criteria: 'lambda l: l["hot"]>=2', categories: Heat}
    spread: {function: multi_rules, criteria: 'lambda l: max(l["kept"].values())>90', categories: Peak}
"""
RESULTS = [
    {"node": "good", "mem-bw/H2D:0": 25.6, "mem-bw/return_code": 0, "gpu/temperature:0": 60, "gpu/temperature:1": 85},
    {"node": "slow", "mem-bw/H2D:0": 20.0, "mem-bw/return_code": 0, "gpu/temperature:0": 60, "gpu/temperature:1": 60},
    {"node": "hot", "mem-bw/H2D:0": 25.6, "mem-bw/return_code": 0, "gpu/temperature:0": 85, "gpu/temperature:1": 95},
    {"node": "gone", "mem-bw/H2D:0": None, "mem-bw/return_code": 1, "gpu/temperature:0": 60},
]


def written(folder: Path, rules: str = RULES, baseline: str = '{"mem-bw/H2D": 25.6}') -> tuple[str, str, str]:
    (folder / "r.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in RESULTS))
    (folder / "rules.yaml").write_text(rules.replace("'.*/return_code'", "'mem-bw/return_code'"))
    (folder / "b.json").write_text(baseline)
    return str(folder / "r.jsonl"), str(folder / "rules.yaml"), str(folder / "b.json")


def test_hosts_that_break_rules_are_named_in_superbenchs_words(tmp_path: Path) -> None:
    """Variances, values, missing figures, and rules over what other rules kept; with the formats that it writes."""
    results, rules, baseline = written(tmp_path)
    nodes = load_results(results)
    found = diagnose(nodes, load_rules(rules), load_baseline(baseline))
    said = {one.node: (one.categories, one.details) for one in found}
    assert set(said) == {"slow", "hot", "gone"}
    assert said["slow"] == (("Mem",), ("mem-bw/H2D:0(B/L: 25.6000 VAL: 20.0000 VAR: -21.88% Rule:lambda x:x<-0.05)",))
    assert said["hot"] == (
        ("Heat", "Peak"),
        (
            "gpu/temperature:0(VAL: 85.0000 Rule:lambda x:x>80)",
            "gpu/temperature:1(VAL: 95.0000 Rule:lambda x:x>80)",
            'spread:lambda l: max(l["kept"].values())>90',
            'two:lambda l: l["hot"]>=2',
        ),
    )
    assert said["gone"][0] == ("FailedTest",)
    assert said["gone"][1] == (
        "gpu/temperature:1_miss",
        "mem-bw/H2D:0_miss",
        "mem-bw/return_code(VAL: 1.0000 Rule:lambda x:x!=0)",
    )
    assert [one.node for one in found] == ["slow", "hot", "gone"]
    lines = [json.loads(line) for line in diagnosis_jsonl(found).splitlines()]
    assert lines[0]["index"] == "slow"
    assert lines[0]["mem-bw/H2D:0"] == -0.21875
    assert lines[2]["mem-bw/H2D:0"] == "N/A"
    assert json.loads(diagnosis_json(found))[0]["diagnosis/category"] == "Mem"
    page = [line.text for line in diagnosis_lines(found, len(nodes), 80)]
    assert page[0] == "1 of 4 hosts break no rule"
    assert max(map(len, page)) <= 80
    titles, _, *rows = diagnosis_markdown(found).splitlines()
    assert titles.startswith("| machine | Category | Defective Details |")
    assert [row.split(" | ")[0] for row in rows] == ["| slow", "| hot", "| gone"]
    assert {row.replace("\\|", "").count("|") for row in rows} == {titles.count("|")}
    html = diagnosis_html(found, "")
    assert html.count('<th scope="row"') == 3
    assert "<script>" not in diagnosis_html([replace(found[0], node="<script>x</script>")], "")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (RULES.replace("function: variance", "function: wish"), ":5: superbench.rules.slow.function: expected one of"),
        (RULES.replace("'lambda x:x<-0.05'", "'x<1'"), ":5: superbench.rules.slow.criteria: expected a lambda"),
        (RULES.replace("'lambda x:x<-0.05'", "'lambda x:x+1'"), "says neither true nor false"),
        (RULES.replace("categories: Mem, ", ""), "categories: is missing"),
        (RULES.replace(r", metrics: ['mem-bw/H2D:\d+']", ""), "metrics: is missing"),
        (RULES.replace("function: variance, ", ""), "function: is missing"),
        (RULES.replace("criteria: 'lambda x:x<-0.05', ", ""), "function and criteria go together"),
        (RULES.replace(r"mem-bw/H2D:\d+", "mem-bw/(") + "", "is not a regular expression"),
        (RULES.replace("store: true, metrics: 'gpu", "store: si, metrics: 'gpu"), "expected true or false"),
        (RULES.replace('l["hot"]', 'l["cold"]'), "nothing is stored as 'cold'"),
        ("version: v0.4\n", "expected rules under superbench.rules"),
        ("superbench: {rules: {a: 1}}\n", "expected the fields of a rule"),
    ],
)
def test_a_rule_that_cannot_be_held_is_refused_in_one_line(tmp_path: Path, rules: str, said: str) -> None:
    """With its file and field where the file is wrong, with its name where the data does not fit it."""
    results, path, baseline = written(tmp_path, rules)
    with pytest.raises(ConfigurationError) as caught:
        diagnose(load_results(results), load_rules(path), load_baseline(baseline))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found none"),
        ("[1]\n", ":1: expected a JSON object, found `[1]`"),
        ('{"a/b": 1}\n', ":1: expected the host's name as `node`"),
        ('{"node": "a"}\n{"node": "a"}\n', ":2: `a` has a line already"),
        ('{"node": "a", "x/y": "fast\\u001b"}\n', "expected a figure, found `fast?`"),
        ('{"node": "a", "x/y": Infinity}\n', "expected a figure, found `inf`"),
        ("[" * 100_000, "expected a JSON object"),
    ],
)
def test_results_that_cannot_be_read_are_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    """File and line, with what was found tamed."""
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_results(str(path))
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_pattern_that_looks_for_ever_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names come from hosts: one that a rule's pattern backtracks on ends in one line, not in a hang."""
    monkeypatch.setattr(superbench, "JUDGING", 0.3)
    (tmp_path / "results").write_text(json.dumps({"node": "x", f"b/{'a' * 200}": 1.0}))
    rule = "{function: value, criteria: 'lambda x: x > 1', categories: c, metrics: ['b/((a|a)*)*c']}"
    (tmp_path / "rules").write_text(f"superbench: {{rules: {{r: {rule}}}}}")
    with pytest.raises(ConfigurationError, match="the pattern backtracks"):
        superbench.diagnose(tmp_path / "results", rules=tmp_path / "rules")


def test_a_missing_baseline_is_asked_for(tmp_path: Path) -> None:
    """No variance can be taken of nothing, or of zero."""
    for baseline in ("{}", '{"mem-bw/H2D": 0}'):
        results, rules, path = written(tmp_path, baseline=baseline)
        with pytest.raises(ConfigurationError, match="give it one in the baseline file"):
            diagnose(load_results(results), load_rules(rules), load_baseline(path))
