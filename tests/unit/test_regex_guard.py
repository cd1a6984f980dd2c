import pytest

from api.listing.regex_guard import rejection_reason, translated


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
        r"\x41\x20z",
        r"[\x41\b]",
        r"[<>\<]",
        r"\\<",
        r"[\\B]",
        r"\\x4",
        "a{0,5}",
        r"\{,5}",
    ],
)
def test_ordinary_patterns_run(pattern: str) -> None:
    assert rejection_reason(pattern) is None


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
        (r"\<rain", r"write < or \m"),
        (r"rain\>", r"> or \M"),
        (r"[a\B]", "in brackets"),
        (r"[\\\B]", "in brackets"),
        (r"\x41b", r"write \u"),
        (r"\x4", r"write \u"),
        (r"[\x41b]", r"write \u"),
        (r"\\\x4", r"write \u"),
        ("a{,5}", "write {0,n}"),
    ],
)
def test_dangerous_patterns_are_rejected_with_the_reason(pattern: str, reason: str) -> None:
    assert reason in str(rejection_reason(pattern))


@pytest.mark.parametrize(
    ("pattern", "ours"),
    [
        (r"\brain\b", r"\yrain\y"),
        (r"\Brain\z", r"\Yrain\Z"),
        (r"[\b]\b", r"[\b]\y"),
        (r"\\b", r"\\b"),
        (r"\\\b", r"\\\y"),
        (r"\cb", r"\cb"),
        (r"\y\m\M\d\Z[\w\s]", r"\y\m\M\d\Z[\w\s]"),
        ("a{1,5}|[]b]", "a{1,5}|[]b]"),
    ],
)
def test_words_edges_are_spelled_as_postgresql_spells_them(pattern: str, ours: str) -> None:
    assert rejection_reason(pattern) is None
    assert translated(pattern) == ours
