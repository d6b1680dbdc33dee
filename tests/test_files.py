"""People's files: what is read, kept, guessed and written back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from mice_sim import MiceSimError
from mice_sim.data import load_dataset, read_table, write_table
from mice_sim.data.draft import _METHODS, draft, guess, guess_codes
from mice_sim.data.schema import lay_on, read_schema
from mice_sim.synthesis.methods import DEFAULTS


@pytest.fixture
def sav(tmp_path):
    """An SPSS file with labels, ordered and not, user-missing codes, a range of them, and plain missing values."""
    frame = pd.DataFrame(
        {
            "income": [1200.0, -9, 800.5, np.nan, -8],
            "sex": [1.0, 2, 9, 1, 2],
            "health": [3.0, 1, 9, 2, np.nan],
            "likert": [5.0, 4, 3, 2, 1],
        }
    )
    path = tmp_path / "people.sav"
    pyreadstat.write_sav(
        frame, str(path), column_labels={"income": "Monthly income"},
        variable_value_labels={
            "income": {-9.0: "refused", -8.0: "don't know"},
            "sex": {1.0: "male", 2.0: "female", 9.0: "refused"},
            "health": {1.0: "poor", 2.0: "fair", 3.0: "good", 9.0: "refused"},
            "likert": {1.0: "never", 5.0: "always"},
        },
        missing_ranges={"income": [{"lo": -9, "hi": -8}], "sex": [9], "health": [9]},
        variable_measure={"health": "ordinal"}, variable_format={"income": "F10.1"},
    )  # fmt: skip
    return path


# ---- labelled files


def test_value_labels_become_levels_and_user_missing_codes_missing(sav):
    data = read_table(sav)
    assert data["sex"].cat.categories.tolist() == ["male", "female"]
    assert data["health"].cat.categories.tolist() == ["poor", "fair", "good"]
    assert data["health"].cat.ordered
    assert not data["sex"].cat.ordered
    assert data["income"].tolist()[:3] == pytest.approx([1200, np.nan, 800.5], nan_ok=True)
    assert data.isna().sum().to_dict() == {"income": 3, "sex": 1, "health": 2, "likert": 0}


def test_a_column_with_labels_for_some_numbers_only_stays_a_number(sav):
    assert read_table(sav)["likert"].tolist() == [5, 4, 3, 2, 1]


def test_user_missing_codes_can_be_kept(sav):
    data = read_table(sav, keep_codes=True)
    assert data["income"].tolist() == pytest.approx([1200, -9, 800.5, np.nan, -8], nan_ok=True)
    assert data["sex"].tolist() == ["male", "female", "refused", "male", "female"]
    assert data["health"].isna().sum() == 2  # an order has no place for them


def test_spss_gets_its_labels_codes_and_formats_back(sav, tmp_path):
    again = tmp_path / "again.sav"
    write_table(read_table(sav, keep_codes=True).drop(columns="health"), again)
    before, was = pyreadstat.read_sav(str(sav), user_missing=True)
    after, is_ = pyreadstat.read_sav(str(again), user_missing=True)
    pd.testing.assert_frame_equal(after, before.drop(columns="health"))
    assert is_.column_names_to_labels["income"] == "Monthly income"
    assert is_.variable_value_labels == {name: was.variable_value_labels[name] for name in ("income", "sex")}
    assert is_.missing_ranges == {name: was.missing_ranges[name] for name in ("income", "sex")}
    assert is_.original_variable_types["income"] == "F10.1"


def test_a_schema_adds_to_what_a_labelled_file_says(sav, tmp_path):
    schema = tmp_path / "s.yaml"
    schema.write_text(
        "columns:\n  income: {kind: continuous, missing: [-9, -8]}\n  sex: {kind: binary, levels: [female, male]}\n"
        "  health: {drop: true}\n  likert: {kind: ordered, levels: [1, 2, 3, 4, 5]}\n"
    )
    data = read_table(sav, schema)
    assert list(data) == ["income", "sex", "likert"]
    assert data["sex"].tolist()[:2] == ["male", "female"]
    assert data["likert"].tolist() == ["5", "4", "3", "2", "1"]
    write_table(data, tmp_path / "out.sav")
    back, _ = pyreadstat.read_sav(str(tmp_path / "out.sav"))
    assert back["sex"].tolist()[:2] == [1, 2]
    assert back["likert"].tolist() == [5, 4, 3, 2, 1]


def test_statas_letters_become_codes_below_all_numbers_and_letters_again(tmp_path):
    path, again = tmp_path / "a.dta", tmp_path / "b.dta"
    mixed = pd.DataFrame({"x": pd.Series([1.0, "a", -34.5, "c", np.nan], dtype=object), "g": [1.0, 2, 1, 2, 1]})
    labels = {"x": {"a": "refused"}, "g": {1: "no", 2: "yes"}}
    pyreadstat.write_dta(mixed, str(path), variable_value_labels=labels, missing_user_values={"x": ["a", "c"]})
    kept = read_table(path, keep_codes=True)
    assert kept["x"].tolist() == pytest.approx([1, -101, -34.5, -103, np.nan], nan_ok=True)
    assert kept["g"].tolist() == ["no", "yes", "no", "yes", "no"]
    assert read_table(path)["x"].isna().sum() == 3
    write_table(kept, again)
    back, meta = pyreadstat.read_dta(str(again), user_missing=True)
    assert back["x"].tolist()[:4] == [1, "a", -34.5, "c"]
    assert meta.variable_value_labels == labels


def test_sas_transport_files_are_read(tmp_path):
    pyreadstat.write_xport(pd.DataFrame({"a": [1.0, np.nan], "b": [2.0, 3.0]}), str(tmp_path / "a.xpt"))
    assert read_table(tmp_path / "a.xpt")["a"].tolist() == pytest.approx([1, np.nan], nan_ok=True)


def test_labels_that_two_codes_share_stay_apart(tmp_path):
    labels = {"g": {1.0: "other", 2.0: "other", 3.0: "none"}}
    pyreadstat.write_sav(pd.DataFrame({"g": [1.0, 2, 3]}), str(tmp_path / "a.sav"), variable_value_labels=labels)
    assert read_table(tmp_path / "a.sav")["g"].tolist() == ["other (1)", "other (2)", "none"]


def test_text_in_a_labelled_file_needs_a_schema(tmp_path):
    pyreadstat.write_sav(pd.DataFrame({"name": ["a", "b"]}), str(tmp_path / "a.sav"))
    with pytest.raises(MiceSimError, match=r"'name' of a\.sav holds free text, which no method draws; recode"):
        read_table(tmp_path / "a.sav")


@pytest.mark.parametrize("ending", [".sav", ".zsav", ".dta"])
def test_factors_without_codes_are_numbered_or_keep_their_numbers(tmp_path, ending):
    frame = pd.DataFrame(
        {"g": pd.Categorical(["b", "a", None]), "n": pd.Categorical(["5", "3", "5"]), "t": [True, False, True]}
    )
    write_table(frame, tmp_path / f"x{ending}")
    back = read_table(tmp_path / f"x{ending}")
    assert back["g"].tolist()[:2] == ["b", "a"]
    assert back["n"].tolist() == [5, 3, 5]
    assert back["t"].tolist() == [1, 0, 1]


def test_a_name_that_spss_has_no_place_for_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(MiceSimError, match=r"can't be written .* choose \.csv or \.parquet"):
        write_table(pd.DataFrame({"a b": [1.0]}), tmp_path / "x.sav")


def test_more_missing_codes_than_spss_has_room_for_are_refused(tmp_path):
    schema = {"columns": {"x": {"kind": "continuous", "missing": [-9, -8, -7, -6]}}}
    with pytest.raises(MiceSimError, match="room for three missing codes, 'x' has 4"):
        write_table(pd.DataFrame({"x": [1.0]}), tmp_path / "x.sav", schema)


# ---- CSV and parquet


@pytest.mark.parametrize(
    "text",
    ["a,b\n1.5,2\n,3\n", "a;b\n1,5;2\n;3\n", "a;b\n1.5;2\n;3\n", "a\tb\n1.5\t2\n\t3\n", "\ufeffa,b\n1.5,2\n,3\n"],
)
def test_csv_files_of_all_countries_are_read(tmp_path, text):
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    data = read_table(tmp_path / "x.csv")
    assert data["a"].tolist() == pytest.approx([1.5, np.nan], nan_ok=True)
    assert data["b"].tolist() == [2, 3]


def test_whole_numbers_stay_whole_in_csv(tmp_path):
    write_table(pd.DataFrame({"a": [1.0, np.nan, 3], "b": [0.1, 2, 1e300], "c": [0.1, 1 / 3, 2]}), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "a,b,c\n1,0.1,0.1\n,2.0,0.3333333333333333\n3,1e+300,2.0\n"


def test_a_parquet_file_gets_its_numbers_and_labels_back(tmp_path):
    pd.DataFrame({"g": [2, 1, 2], "t": [True, False, True], "x": [1.0, 2, 3]}).to_parquet(tmp_path / "a.parquet")
    schema = tmp_path / "s.yaml"
    schema.write_text(
        "columns:\n  g: {kind: ordered, levels: [1, 2], label: Grade}\n"
        "  t: {kind: binary, levels: ['False', 'True']}\n  x: {kind: continuous}\n"
    )
    data = read_table(tmp_path / "a.parquet", schema)
    assert data["g"].tolist() == ["2", "1", "2"]
    assert data["t"].tolist() == ["True", "False", "True"]
    write_table(data, tmp_path / "b.parquet")
    back = pd.read_parquet(tmp_path / "b.parquet")
    assert back["g"].tolist() == [2, 1, 2]
    assert back["t"].tolist() == [True, False, True]
    assert back.attrs["schema"]["columns"]["g"]["label"] == "Grade"


def test_missing_codes_of_a_csv_file_are_taken_out_or_kept(tmp_path):
    (tmp_path / "x.csv").write_text("a,g,o\n1,yes,lo\n-9,9,9\n3,no,hi\n")
    schema = tmp_path / "s.yaml"
    schema.write_text(
        "columns:\n  a: {kind: continuous, missing: [-9]}\n  g: {kind: binary, levels: ['no', 'yes'], missing: [9]}\n"
        "  o: {kind: ordered, levels: [lo, hi], missing: {9: refused}}\n"
    )
    assert read_table(tmp_path / "x.csv", schema).isna().sum().tolist() == [1, 1, 1]
    kept = read_table(tmp_path / "x.csv", schema, keep_codes=True)
    assert kept["a"].tolist() == [1, -9, 3]
    assert kept["g"].tolist() == ["yes", "9", "no"]
    assert kept["o"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(("sep", "decimal"), [(",", "."), (";", ",")])
def test_numbers_that_pandas_writes_with_a_fraction_are_the_levels_and_codes_they_equal(tmp_path, sep, decimal):
    frame = pd.DataFrame(
        {"smoker": [0, 1, np.nan, 1] * 5, "score": [1, 5, np.nan, 99] * 5, "x": [0.5, 1.5, np.nan, 99] * 5}
    )
    frame.to_csv(tmp_path / "x.csv", index=False, sep=sep, decimal=decimal)
    columns = draft(tmp_path / "x.csv").columns
    assert columns["smoker"]["levels"] == [0, 1]
    columns["score"] = {"kind": "ordered", "levels": [1, 2, 3, 4, 5], "missing": [99]}
    columns["x"]["missing"] = [99]
    data = read_table(tmp_path / "x.csv", columns)
    assert data["smoker"].tolist()[:4] == ["0", "1", pytest.approx(np.nan, nan_ok=True), "1"]
    assert data["score"].cat.categories.tolist() == ["1", "2", "3", "4", "5"]
    assert data["score"].dropna().tolist() == ["1", "5"] * 5
    assert data["x"].max() == 1.5
    write_table(data[["smoker"]], tmp_path / "out.csv")
    assert set((tmp_path / "out.csv").read_text().split()) == {"smoker", "0", "1", '""'}


def test_an_infinite_number_is_refused_unless_its_column_is_dropped(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,inf\n-2,4\n")
    words = r"^Column 'b' of x\.csv holds infinite values; replace them by numbers or leave them empty\.$"
    columns = {"a": {"kind": "continuous"}, "b": {"kind": "continuous"}}
    with pytest.raises(MiceSimError, match=words):
        draft(tmp_path / "x.csv")
    for schema in (None, columns):
        with pytest.raises(MiceSimError, match=words):
            read_table(tmp_path / "x.csv", schema)
    assert list(read_table(tmp_path / "x.csv", {**columns, "b": {"drop": True}})) == ["a"]


@pytest.mark.parametrize("text", ["x\n7.46\n1.5\nabout 8\n3\n", "x;y\n7,46;1\n1,5;1\nabout 8;1\n3;1\n"])
def test_a_cell_that_is_no_number_is_named_and_may_be_a_missing_code(tmp_path, text):
    (tmp_path / "x.csv").write_text(text)
    columns = (
        {"x": {"kind": "continuous"}, "y": {"kind": "continuous"}} if ";" in text else {"x": {"kind": "continuous"}}
    )
    words = (
        r"^Column 'x' of x\.csv holds 'about 8', which is no number; correct it, or list it among the column's missing"
    )
    with pytest.raises(MiceSimError, match=words):
        read_table(tmp_path / "x.csv", columns)
    columns["x"]["missing"] = ["about 8"]
    for keep_codes in (False, True):
        data = read_table(tmp_path / "x.csv", columns, keep_codes=keep_codes)
        assert data["x"].tolist() == pytest.approx([7.46, 1.5, np.nan, 3], nan_ok=True)
    write_table(data, tmp_path / "x.sav")
    assert read_table(tmp_path / "x.sav")["x"].tolist() == pytest.approx([7.46, 1.5, np.nan, 3], nan_ok=True)


def test_text_without_a_schema_is_named_not_the_numbers_before_it(tmp_path):
    (tmp_path / "x.csv").write_text("x\n7.46\nabout 8\n3\n")
    with pytest.raises(MiceSimError, match="holds text such as 'about 8'; describe it in a schema"):
        read_table(tmp_path / "x.csv")


def test_a_csv_file_of_another_encoding_is_to_be_saved_as_utf_8(tmp_path):
    (tmp_path / "x.csv").write_bytes("region,x\nsüd,1\n".encode("latin-1"))
    with pytest.raises(MiceSimError, match=r"can't be read as csv \(.*\); save it as UTF-8\.$"):
        read_table(tmp_path / "x.csv")


def test_text_that_is_a_level_stays_as_it_is(tmp_path):
    (tmp_path / "x.csv").write_text("a;b\n007;1,0\n7;2,0\n")
    columns = {
        "a": {"kind": "binary", "levels": ["007", 7]},
        "b": {"kind": "binary", "levels": ["1,0", "2,0"]},
    }
    data = read_table(tmp_path / "x.csv", columns)
    assert data["a"].tolist() == ["007", "7"]
    assert data["b"].tolist() == ["1,0", "2,0"]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("{kind: date}", "holds dates, which no method draws; turn it into a number"),
        ("{kind: text}", "holds free text, which no method draws; recode"),
        ("{kind: binary, levels: [no, yes]}", "put yes, no, on and off in quotes"),
        ("{kind: ordered, levels: []}", "is ordered; list its levels"),
        ("{kind: continuous, mising: [9]}", "unknown key 'mising'; did you mean 'missing'?"),
        ("{kind: continuous, missing: 9}", "needs lists of values for missing and spike"),
        ("{kind: continous}", "has the kind 'continous'; did you mean 'continuous'?"),
        ("continuous", "has the kind 'continuous'"),
        ("{label: Age}", "has no kind; write one of continuous, binary, unordered, ordered."),
        ("{derived: a / b}", "unordered, ordered; though it is derived, it must be a column of the file."),
    ],
)
def test_a_schema_that_cannot_work_is_refused(tmp_path, column, words):
    (tmp_path / "s.yaml").write_text(f"columns:\n  x: {column}\n")
    with pytest.raises(MiceSimError) as caught:
        read_schema(tmp_path / "s.yaml")
    assert words in str(caught.value)
    assert "'x' of the schema s.yaml" in str(caught.value)


def test_a_schema_that_drops_everything_is_refused():
    with pytest.raises(MiceSimError, match="drops every column; keep at least one"):
        lay_on(pd.DataFrame({"x": [1.0]}), {"x": {"drop": True}}, "x.csv")


# ---- drafts


def guessed(values, name="x") -> dict:
    return guess(name, pd.Series(values), {}).entry


@pytest.mark.parametrize(
    ("values", "entry"),
    [
        ([0.5, 1.5, 2.5], {"kind": "continuous"}),
        ([0, 1, 1, np.nan], {"kind": "binary", "levels": [0, 1]}),
        ([1, 2, 2, 1], {"kind": "binary", "levels": [1, 2]}),
        ([2, 7, 2, 7], {"kind": "continuous"}),
        ([True, False], {"kind": "binary", "levels": ["False", "True"]}),
        (["no", "yes", None, "no"], {"kind": "binary", "levels": ["no", "yes"]}),
        (["b", "a", "c", "a"], {"kind": "unordered", "levels": ["a", "b", "c"]}),
        (["x", "x"], {"kind": "unordered", "levels": ["x"]}),
        ([f"P{i}" for i in range(60)], {"drop": "identifier"}),
        ([*(f"I think {i}" for i in range(60)), "nothing", "nothing"], {"kind": "text"}),
        (["2020-01-02", "2021-12-31", None], {"kind": "date"}),
        (pd.to_datetime(["2020-01-02", "2021-12-31"]), {"kind": "date"}),
        (np.arange(1, 21), {"drop": "identifier"}),
        ([np.nan, np.nan], {"drop": "no values"}),
        ([3.0, 3, 3], {"kind": "continuous"}),
        ([18, 33, 57, 999, 40, 18], {"kind": "continuous", "missing": [999]}),
        (np.r_[np.zeros(40), np.arange(60) + 0.5], {"kind": "continuous", "spike": [0]}),
    ],
    ids=str,
)
def test_a_draft_guesses_what_a_column_is(values, entry):
    assert guessed(values) == entry


def test_few_texts_that_all_differ_are_levels_unless_the_name_says_otherwise():
    assert guessed(["a", "b", "c"])["kind"] == "unordered"
    assert guessed(["a", "b", "c"], "subject_id") == {"drop": "identifier"}
    assert guessed([101, 205, 333, 481], "ID") == {"drop": "identifier"}
    assert guessed([101, 205, 333, 481], "weight")["kind"] == "continuous"


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ([0, 5, 90, -9, -8], [-9, -8]),
        ([-20, 5, 90, -9], []),  # other values are negative too
        ([18, 60, 999], [999]),
        ([18, 60, 99], []),  # 39 above values that spread 42: an old person
        ([1, 2, 3, 4, 5, 99], [99]),
        ([1, 2, 3, 4, 5, 9], []),
        ([10, 1000, 9999], [9999]),
        ([0.5, 900, 950, 999], []),
        ([5, 999], []),
    ],
)
def test_codes_for_missing_are_guessed_where_they_stand_far_off(values, codes):
    assert guess_codes(np.array(values, float)) == codes


def test_a_drafted_schema_reads_the_file_it_was_drafted_from(tmp_path):
    frame = pd.DataFrame(
        {
            "yes": ["no", "yes", "on", "no"],
            "größe (cm)": [1.5, 2.5, np.nan, 3],
            "a: b, {c} #d": ["x: y", "#z", "x: y", "#z"],
            "007": [7, 8, 9, 11],
        }
    )
    frame.to_csv(tmp_path / "x.csv", index=False)
    (tmp_path / "s.yaml").write_text(draft(tmp_path / "x.csv").yaml(), encoding="utf-8")
    data = read_table(tmp_path / "x.csv", tmp_path / "s.yaml")
    for name in frame:
        assert data[name].tolist() == pytest.approx(frame[name].tolist(), nan_ok=True)


def test_a_draft_of_a_labelled_file_keeps_its_labels_and_codes(sav, tmp_path):
    drafted = draft(sav)
    assert drafted.columns["income"]["missing"] == {-9: "refused", -8: "don't know"}
    assert drafted.columns["health"]["kind"] == "ordered"
    assert not drafted.questions
    (tmp_path / "s.yaml").write_text(drafted.yaml(), encoding="utf-8")
    pd.testing.assert_frame_equal(read_table(sav, tmp_path / "s.yaml"), read_table(sav))


def test_a_draft_names_mices_default_methods():
    assert _METHODS == DEFAULTS


def test_a_draft_of_the_boys_finds_what_their_schema_says(tmp_path):
    boys = load_dataset("boys")
    boys.to_parquet(tmp_path / "boys.parquet")
    columns = draft(tmp_path / "boys.parquet").columns
    for name, said in boys.attrs["schema"]["columns"].items():
        assert columns[name]["kind"] == said["kind"]
        assert columns[name].get("levels") == said.get("levels")
