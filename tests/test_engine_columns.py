import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine_samples import patiently, spec
from tokenizations.engine.columns import columns_in, columns_of
from tokenizations.engine.filling import fill
from tokenizations.engine.rules import OptionError

cells = st.none() | st.text(max_size=5)


def test_a_template_names_each_of_its_columns_once() -> None:
    assert columns_in("{a} {{not}} {b c}\n{a}") == ("a", "b c")
    assert columns_of(spec(text_column="", template="{question}\n\n{answer}")) == ("question", "answer")
    assert columns_of(spec(text_column="body")) == ("body",)


@pytest.mark.parametrize("template", ["{", "}", "{}", "{a", "none", "{{a}}", "{a!r}", "{a:>9}", "{a:}{b:{c}}"])
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(OptionError) as caught:
        columns_in(template)

    assert caught.value.option == "template"
    assert caught.value.advice


def test_a_template_is_filled_row_by_row() -> None:
    columns = {
        "question": pa.array(["Why?", None, "", None, "naïve 京"], pa.string()),
        "answer": pa.array(["So.", "42", "", None, None], pa.large_string()),
    }

    filled = fill("Q: {question}\n\nA: {answer} {{of {question}}}", columns)

    assert filled.type == pa.large_string()
    assert filled.to_pylist() == [
        "Q: Why?\n\nA: So. {of Why?}", "Q: \n\nA: 42 {of }", None, None, "Q: naïve 京\n\nA:  {of naïve 京}",
    ]  # fmt: skip


def test_no_rows_are_filled_too() -> None:
    assert fill("{a}!", {"a": pa.array([], pa.string())}).to_pylist() == []


def test_a_part_of_a_column_is_filled_as_it_is_seen() -> None:
    column = pa.array(["a", "b", None, "d"], pa.string()).slice(1, 2)

    assert fill("<{a}>", {"a": column}).to_pylist() == ["<b>", None]


@patiently
@given(st.lists(st.tuples(cells, cells), max_size=20), st.text(max_size=5), st.text(max_size=5))
def test_it_fills_as_python_does(rows: list[tuple[str | None, str | None]], before: str, between: str) -> None:
    template = "{}{{a}}{}{{b}}".format(*(text.replace("{", "{{").replace("}", "}}") for text in (before, between)))
    columns = {name: pa.array([row[place] for row in rows], pa.string()) for place, name in enumerate("ab")}

    filled = fill(template, columns).to_pylist()

    assert filled == [template.format(a=a or "", b=b or "") if a or b else None for a, b in rows]
