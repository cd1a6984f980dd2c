import pytest

from api.patterns import objection


@pytest.mark.parametrize(
    "pattern",
    [
        "bitcoin",
        "^KX.*-26",
        "a{1,200}b{1,200}",
        "(?:a|b){1,30}",
        "[]^1]{2}",
        r"\(1\)",
        r"\\1",
        r"[\](a{1,200}){1,200}]",
        r"\c[",
        "(?=x)y",
        "a{5",
        "[[:digit:]]+",
    ],
)
def test_ordinary_patterns_run(pattern: str) -> None:
    assert objection(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "empty"),
        ("x" * 201, "200 characters"),
        ("***=literal", "options"),
        ("(?i)x", "options"),
        (r"(a)\1", "back-reference"),
        (r"\\\1", "back-reference"),
        ("(a{1,200}){1,200}", "repeats"),
        ("((a{11}){10}){10}", "repeats"),
        ("((a|b{500})c){3}", "repeats"),
        ("(a{1,200}b)+{100}", "repeats"),
        ("(?#[)(a{1,200}){1,200}(?#])", "comment"),
        (r"[\[:](a{1,200}){1,200}[:]]", "repeats"),
        (r"\c[(a{1,200}){1,200}]", "repeats"),
        (r"\c[(a)\1]", "back-reference"),
    ],
)
def test_dangerous_patterns_are_refused_with_the_reason(pattern: str, reason: str) -> None:
    assert reason in str(objection(pattern))
