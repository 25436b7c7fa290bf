"""docs/fhir-mapping.md shows the tables of mapped and unmapped fields as they are.

`python -m tests.mappings.test_fhir_docs` writes them anew.
"""

from collections.abc import Iterable
from pathlib import Path

from mappings.tables import packaged

PAGE = Path(__file__).parents[2] / "docs" / "fhir-mapping.md"


def written(text: str) -> str:
    """The page with both tables as they are now."""
    unmapped: dict[str, list[str]] = {}
    for field, (reason,) in packaged("unmapped-fields").items():
        unmapped.setdefault(reason, []).append(field)
    mapped = ((field, element) for field, (element, _) in packaged("mapped-fields").items())
    text = _with(text, "mapped-fields", _table(("field", "FHIR element"), mapped))
    reasons = ((", ".join(fields), reason) for reason, fields in unmapped.items())
    return _with(text, "unmapped-fields", _table(("fields", "reason"), reasons))


def _table(heads: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"| {left} | {right} |" for left, right in (heads, ("---", "---"), *rows))


def _with(text: str, name: str, table: str) -> str:
    start, end = f"<!-- {name}.csv -->", "<!-- end -->"
    before, found, rest = text.partition(f"{start}\n")
    assert found, f"{PAGE.name} has no place for {name}"
    return f"{before}{found}{table}\n{rest[rest.index(end) :]}"


def test_the_page_shows_the_tables() -> None:
    """A field that is mapped, or no longer, is on the page."""
    text = PAGE.read_text(encoding="utf-8")
    assert text == written(text)
    assert text.count("| OBR-4[DiagnosticReport] |") == 1


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
