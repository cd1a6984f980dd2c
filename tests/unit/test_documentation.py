import ast
import json
import re
from pathlib import Path

import pytest

from api.markets.parameters import FILTERS, LISTING_PARAMETERS
from crawler import metrics
from crawler.jobs import all_jobs
from crawler.summary import Summary
from kalshi_markets.settings import CrawlerSettings
from local import ROOT
from local.probe.budget import DEFAULT_RATE, MAX_REQUESTS
from local.probe.run import QUESTIONS
from local.tools import parameters_page
from local.tools.api_page import OPENAPI, PAGE, openapi, render

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def names_in(path: str) -> set[str]:
    """Return every string of a module that looks like an environment variable."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in strings if re.fullmatch(r"[A-Z]+(_[A-Z]+)*", text) and len(text) > 3}


def test_the_api_page_is_what_the_code_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == render(text), "renew it: python -m local.tools.api_page"


def test_the_openapi_document_is_what_the_code_says() -> None:
    text = OPENAPI.read_text(encoding="utf-8")
    assert text == openapi(), "renew it: python -m local.tools.api_page"
    document = json.loads(text)
    parameters = document["paths"]["/markets"]["get"]["parameters"]
    shared = document["components"]["parameters"]
    names = [shared[parameter["$ref"].rpartition("/")[2]]["name"] for parameter in parameters]
    assert names == [*LISTING_PARAMETERS, *FILTERS]


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_block_of_code_is_closed(page: Path) -> None:
    fences = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("```")]
    assert [fence for fence in fences[1::2] if fence != "```"] == []
    assert len(fences) % 2 == 0


def test_every_setting_of_the_functions_is_documented() -> None:
    names = names_in("layers/shared/kalshi_markets/settings.py") - {"AWS_LAMBDA_FUNCTION_NAME", "AWS_SAM_LOCAL"}
    assert len(names) > 15
    assert [name for name in sorted(names) if f"`{name}`" not in OPERATIONS] == []


def test_every_setting_of_the_local_run_is_documented() -> None:
    names = names_in("local/settings.py")
    assert {"PORT", "MARKETS", "RECORDING", "EXCHANGE", "DATA_DIR"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in OPERATIONS] == []


def test_the_parameters_are_those_of_the_template() -> None:
    assert parameters_page.render(OPERATIONS) == OPERATIONS, "renew them: python -m local.tools.parameters_page"


def test_every_job_and_metric_is_documented() -> None:
    jobs = [walk.name for walk in all_jobs(CrawlerSettings.from_env({"RETENTION_DAYS": "9"}))]
    published = [*metrics.COUNTS, *metrics.LAGS]
    assert len(jobs) == 18
    assert [name for name in (*jobs, *published) if f"`{name}`" not in OPERATIONS] == []
    assert [name for name in Summary().as_dict() if f"`{name}`" not in OPERATIONS] == []


def test_no_setting_is_documented_that_does_not_exist() -> None:
    code = names_in("layers/shared/kalshi_markets/settings.py") | names_in("local/settings.py") | {"LOG_LEVEL"}
    documented = {
        name
        for row in re.findall(r"^\| (`[A-Z`, _]+`) \|", OPERATIONS, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert documented - code == set()


def test_every_question_to_the_exchange_is_documented() -> None:
    names = [question.name for question in QUESTIONS]
    assert [name for name in names if f"`{name}`" not in OPERATIONS] == []
    assert f"at most {MAX_REQUESTS} requests, {DEFAULT_RATE:g} a second" in OPERATIONS


def test_links_between_the_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_nothing_outside_settings_reads_the_environment() -> None:
    modules = [*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers/shared").rglob("*.py")]
    readers = [path.name for path in modules if re.search(r"environ\b|getenv", path.read_text(encoding="utf-8"))]
    assert readers == ["settings.py"]


def test_the_parts_depend_on_each_other_one_way_only() -> None:
    allowed = {
        "api": {"api"},
        "authorizer": {"authorizer"},
        "crawler": {"crawler"},
        "migrator": {"migrator"},
        "kalshi_markets": set[str](),
    }
    ours = {*allowed, "local", "tests"}
    for package, may in allowed.items():
        folder = ROOT / ("layers/shared" if package == "kalshi_markets" else "functions") / package
        for path in folder.rglob("*.py"):
            imported = set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
            assert (imported & ours) - may - {"kalshi_markets"} == set(), path.name
