"""Words of the parameter `search`."""

import pytest

from api.listing.search_words import parse_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bitcoin", ("bitcoin",)),
        ("  Will  it\train ", ("Will", "it", "rain")),
        ('"white house" press', ("white house", "press")),
        ('who"white house"now', ("who", "white house", "now")),
        ('" a "', (" a ",)),
        ("50% _x \\", ("50%", "_x", "\\")),
        ("a b a", ("a", "b")),
        ("a b c d e f g h i j", tuple("abcdefghij")),
        ("é" * 200, ("é" * 200,)),
    ],
)
def test_a_search_has_words_and_quoted_phrases(text: str, words: tuple[str, ...]) -> None:
    assert parse_words(text) == words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, "must not be empty") for text in ("", " ", "\t\n", '""', 'a ""', '" "')),
        *((text, "quotation mark") for text in ('"', '"a', 'a"b', '"a" "b')),
        (" ".join(map(str, range(11))), "at most 10 words"),
        ("é" * 201, "at most 200 characters"),
    ],
)
def test_an_invalid_search_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_words(text)
