"""`[[report_sources]]` and `[results]` in a site file."""

from pathlib import Path

import pytest

from radflow.settings import ConfigError, read_site

POLLED = '[[report_sources]]\nkind = "fhir-poll"\nname = "ris"\nurl = "http://127.0.0.1:1/fhir"\n'
TOLD = (
    '[[report_sources]]\nkind = "fhir-subscription"\nname = "ris"\nurl = "http://127.0.0.1:1/fhir"\n'
    'endpoint = "http://127.0.0.1:2581/reports/ris"\nsecret = { env = "SECRET" }\n'
)


def test_a_site_without_any_has_hl7_and_fhir(tmp_path: Path) -> None:
    """In this order; SR is a report only where the site says so."""
    (tmp_path / "main.toml").write_text(POLLED)
    site = read_site(tmp_path / "main.toml")
    assert site.results.prefer == ("hl7", "fhir")
    assert site.report_source("ris").every_minutes == 1
    with pytest.raises(ConfigError, match=r"no report source 'x'; it has \['ris'\]"):
        site.report_source("x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[results]\nprefer = ["fhir", "sr"]\n', r'main.toml:2: results.prefer: .*"hl7" is missing'),
        ('[results]\nprefer = ["hl7", "hl7"]\n', r"main.toml:2: results.prefer: .*named once"),
        ('[results]\nprefer = ["hl7", "fax"]\n', r"main.toml:2: results.prefer"),
        (f'{POLLED}[results]\nprefer = ["hl7"]\n', r'main.toml:1: report_sources: .*does not name "fhir"'),
        (POLLED + POLLED, r"main.toml:7: report_sources\[1\].name: 'ris' is there already"),
        (TOLD, r"main.toml:2: report_sources\[0\].kind: .*\[webhook\], and there is none"),
        (POLLED + 'query = "status=final#x"\n', r"main.toml:5: report_sources\[0\].*query"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """File, line, key and reason."""
    (tmp_path / "main.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_site(tmp_path / "main.toml")
