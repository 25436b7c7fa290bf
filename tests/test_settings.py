"""Site files: what is wrong with them is said all at once, with file, line and key."""

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radflow.order import State
from radflow.settings import Settings
from radflow.settings.base import SiteFileError
from radflow.settings.reading import SiteFile, read_site, read_sites
from radflow.settings.toml_lines import KeyLines, Location

TEXT = '''\
# a comment [[with]] = "signs"
name = "a"   # [not.a.table]
"quoted.key" = 1
a.b.c = { d = 1, e = { f = 2 } }

[x]
text = """
[y]
key = 1
"""
list = [
  1,  # ]
  2,
]

[[z]]
name = "first"
[z.inner]
deep = true
[[z.list]]
n = 1
[[z.list]]
n = 2

[[z]]
name = "second"
[[z.list]]
n = 3
'''


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("name",), 2), (("quoted.key",), 3), (("a",), 4), (("a", "b", "c", "e", "f"), 4), (("x",), 6),
        (("x", "text"), 7), (("x", "list"), 11), (("x", "list", 1), 11), (("z", 0, "name"), 17),
        (("z", 0, "inner", "deep"), 19), (("z", 0, "list", 1, "n"), 23), (("z", 1), 25),
        (("z", 1, "list", 0, "n"), 28), (("z", 1, "missing"), 25), (("nowhere",), 0), (("y", "key"), 0),
    ],
)  # fmt: skip
def test_the_line_of_a_key(location: Location, line: int) -> None:
    """Dotted, quoted, in a table, in an array of tables, in a value of several lines.

    What is missing is looked for where it should be; what only looks like a key is none.
    """
    assert KeyLines(TEXT).line(location) == line


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text(max_size=20), max_size=8))
def test_every_key_has_its_line(values: dict[str, str]) -> None:
    """Whatever the values hold."""
    written = [f"{key} = '''\n{value}'''" for key, value in values.items() if _literal(value)]
    text = "\n".join(written)
    keys = KeyLines(text)
    for key in tomllib.loads(text):
        assert text.splitlines()[keys.line((key,)) - 1].startswith(f"{key} = ")


def _literal(value: str) -> bool:
    """Whether the text may stand in a literal string; line ends would only confuse the test."""
    return value.isprintable() and "'" not in value


def write(folder: Path, text: str, name: str = "main", **tables: str) -> Path:
    """A site file and its tables."""
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    (folder / name / "tables").mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        path = folder / name / "tables" / f"{table.replace('_', '-')}.csv"
        path.write_text(rows.replace(";", "\n") + "\n", encoding="utf-8")
    return file


def wrong(file: Path) -> list[tuple[int, str, str]]:
    """Line, key and first words of each problem of a site; those of a table have its name before the key."""
    return [
        (one.line, one.key if one.file == str(file) else f"{Path(one.file).name} {one.key}", one.reason)
        for one in SiteFile(file).problems
    ]


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        ("a = ", 1, "", "Not valid TOML"),
        ('[listener]\nport = "x"', 2, "listener.port", "valid integer"),
        ('time_zone = "Mars/Olympus"', 1, "time_zone", "is not an IANA time zone"),
        ("\n\n[colour]\n", 3, "colour", "There is no such key"),
        ('[[archives]]\nkind = "dicomweb"\nname = "a"', 1, "archives[0].url", "missing"),
        ('[[archives]]\nkind = "x"', 1, "archives[0]", "dimse"),
        ('[[filters]]\nname = "f"\n[filters.when]\n"MSH9" = "x"', 4, "filters[0].when.MSH9", "no HL7 path"),
        ('[[filters]]\nname = "f"\nwhen = {not = {"MSH-9" = 1}}', 3, "filters[0].when.not.MSH-9", "wanted"),
        ('[[filters]]\nname = "f"\naction = "x"\nwhen = {}', 3, "filters[0].action", "'drop' or 'keep'"),
        ('[[routes]]\nname = "r"\nto = []\n', 3, "routes[0].to", "at least 1 item"),
        (2 * '[[filters]]\nname = "f"\nwhen = {}\n', 5, "filters[1].name", "used once"),
        ('[[routes]]\nname = "r"\nto = ["ris"]', 3, "routes[0].to", "no destination 'ris'; the site has no"),
        (
            '[worklist.target]\nkind = "hl7"\ndestination = "ris"',
            3, "worklist.target.destination", "No destination 'ris' takes orders",
        ),
        ('[worklist.target]\nkind = "dcm4chee"\nurl = "http://h/rs"', 3, "worklist.target.url", "aets"),
        ('[enrichment]\npatient = "both"', 2, "enrichment.patient", "'merge', 'adt' or 'order'"),
        ('[patient_identifiers]\nnumber = 1', 2, "patient_identifiers.number", "no such key"),
        ("[[patient_identifiers.numbers]]\nlength = -1", 2, "patient_identifiers.numbers[0].length", "great"),
        ('[[tables]]\nname = "t"\npath = "OBR-4"\nfile = "t.csv"', 4, "tables[0].file", "There is no"),
        ('[[tables]]\nname = "t"\npath = "OBR-4"', 1, "tables[0]", "no codes"),
        ('[[tasks]]\nfunction = "a.b"\nwhen = "reported"', 2, "tasks[0].function", "package.module:function"),
        ('[[tasks]]\nfunction = "a:b"\nwhen = "published"', 3, "tasks[0].when", "come to its end"),
        ('[worklist]\nport = 2575', 2, "worklist.port", "Port 2575 is that of [listener]"),
        ('[listener]\nport = 11112\nhost = "::"', 2, "listener.port", "Port 11112 is that of [worklist]"),
    ],
)  # fmt: skip
def test_a_problem_names_line_and_key(tmp_path: Path, text: str, line: int, key: str, says: str) -> None:
    """And says in words what is wrong; it is the only one."""
    (found,) = wrong(write(tmp_path, text))
    assert found[:2] == (line, key)
    assert says in found[2]


@pytest.mark.parametrize(
    ("rows", "line", "column", "says"),
    [
        ("from;A", 1, "to", "is missing"),
        ("from,to,colour;A,M,red", 1, "colour", "unknown"),
        ("from,to;A,M;C", 3, "", "1 values, the header 2"),
        ("from,to;A,M;B,F;A,F", 4, "from", "already, on line 2"),
        ("from,to;A,", 2, "to", "empty"),
        ("from,to;,M", 2, "from", "empty"),
        ("from,to;A,X", 2, "to", "HL7 table 0001"),
        ("from,to,display;A,M,male", 2, "", ""),
        ("", 0, "", "empty"),
    ],
)
def test_a_problem_of_a_table(tmp_path: Path, rows: str, line: int, column: str, says: str) -> None:
    """The codes have to be some that radflow knows at that place."""
    text = '[[tables]]\nname = "sex"\npath = "PID-8"\nfile = "sex.csv"'
    found = wrong(write(tmp_path, text, sex=rows))
    if says:
        assert [one[:2] for one in found] == [(line, f"sex.csv {column}")]
        assert says in found[0][2]
    else:
        assert found == []


def test_text_and_system_stand_beside_coded_fields_only(tmp_path: Path) -> None:
    """OBR-27.6 has no coding system of its own: what comes after it is something else."""
    text = '[[tables]]\nname = "t"\npath = "OBR-27.6"\nfile = "t.csv"'
    ((line, key, says),) = wrong(write(tmp_path, text, t="from,to,system;A,S,L"))
    assert (line, key) == (2, "t.csv system")
    assert "OBR-27.6" in says


def test_a_site_may_say_otherwise_than_radflow_s_tables(tmp_path: Path) -> None:
    """For the codes in its file, to what radflow knows; the others stay."""
    site = read_site(write(tmp_path, "", order_control="hl7_0119,order_action;ZH,holds"))
    assert site.code_tables.code("order-control", "ZH") == "holds"
    assert site.code_tables.code("order-control", "NW") == "places"
    found = wrong(write(tmp_path, "", order_control="hl7_0119,order_action;ZH,nonsense;ZH,holds"))
    assert [one[:2] for one in found] == [
        (2, "order-control.csv order_action"), (3, "order-control.csv hl7_0119")
    ]  # fmt: skip
    ((line, _, says),) = wrong(write(tmp_path, "", order_control="from,to;ZH,holds"))
    assert line == 1
    assert "hl7_0119,order_action" in says


def test_a_table_that_nothing_uses(tmp_path: Path) -> None:
    """It is misspelt, most likely."""
    ((_, key, says),) = wrong(write(tmp_path, "", order_contrl="a,b;c,d"))
    assert key == "order-contrl.csv "
    assert "Nothing uses this table" in says


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    """In all files, and of the right sections beside wrong ones too."""
    write(tmp_path, 'time_zone = "x"\n[worklist]\nport = 2575', name="a")
    write(tmp_path, "colour = 1", name="b")
    with pytest.raises(SiteFileError) as error:
        read_sites(tmp_path)
    said = [line.split(": ")[:2] for line in str(error.value).splitlines()]
    assert said == [
        [f"{tmp_path}/a.toml:1", "time_zone"],
        [f"{tmp_path}/a.toml:3", "worklist.port"],
        [f"{tmp_path}/b.toml:1", "colour"],
    ]


def test_two_sites_of_one_name(tmp_path: Path) -> None:
    """The second is named, with the line that names it."""
    write(tmp_path, 'name = "b"', name="a")
    write(tmp_path, "", name="b")
    with pytest.raises(SiteFileError, match=r"b\.toml: name: .*a\.toml is the site 'b' already"):
        read_sites(tmp_path)


def test_the_documentation_s_rules_are_right(tmp_path: Path) -> None:
    """docs/rules.md, its TOML as one site file with the table that it shows."""
    page = (Path(__file__).parent.parent / "docs" / "rules.md").read_text()
    sections = [text for text in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if text.startswith("[")]
    (table,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    site = read_site(write(tmp_path, "\n".join(sections), procedures=table))
    assert [len(one) for one in (site.filters, site.routes, site.tables, site.tasks)] == [2, 2, 2, 1]
    assert site.tables[0].codes["XR,CH"].display == "Chest X-ray, two views"


def test_a_whole_site(tmp_path: Path) -> None:
    """A table from its file and one in the site file, and a task that is named by its function."""
    text = """
        [[filters]]
        name = "no trauma"
        when = { "MSH-4" = "TRAUMA" }
        [[tables]]
        name = "procedures"
        path = "OBR-4"
        file = "procedures.csv"
        [[tables]]
        name = "classes"
        path = "PV1-2"
        codes = { "AMB" = "O" }
        [[tasks]]
        function = "hospital.wards:Notify"
        when = "reported"
    """
    site = read_site(write(tmp_path, text, procedures='from,to,display;CTC,CTCHEST,"CT, chest"'))
    assert site.tables[0].codes["CTC"].display == "CT, chest"
    assert site.tables[1].codes["AMB"].to == "O"
    assert (site.tasks[0].step, site.tasks[0].when) == ("notify", State.REPORTED)


def test_the_sites_that_come_with_radflow_are_right() -> None:
    """Each file in deployments/sites."""
    folder = Settings.model_fields["sites_dir"].default
    assert "main" in read_sites(folder)
