"""Commands of the documents: those in blocks of code, and those that begin a piece of code in a sentence or a table."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from local import ROOT

PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`((?:aws|sam) [^`]+)`")
_CONTINUED: Final = re.compile(r"\\\n\s*")
_SUBSTITUTION: Final = re.compile(r"\$\((.*?)\)")
_OPERATORS: Final = "&|;()<>"


@dataclass(frozen=True)
class Command:
    """One command. page: name of the document. in_block: whether it is meant to be copied as it is."""

    page: str
    words: tuple[str, ...]
    in_block: bool

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of code in a document."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [body for name, body in _BLOCK.findall(text) if name == language]


def commands(program: str) -> list[Command]:
    """Return every command of a program in the documents, once."""
    every = (command for page in PAGES for command in _commands(page.name, page.read_text(encoding="utf-8")))
    return list(dict.fromkeys(command for command in every if command.words[0].rpartition("/")[2] == program))


def _commands(page: str, text: str) -> Iterator[Command]:
    for language, body in _BLOCK.findall(text):
        if language in ("text", "sh", "bash"):
            for line in _CONTINUED.sub(" ", body).splitlines():
                yield from (Command(page, words, in_block=True) for words in split(line))
    for code in _INLINE.findall(_BLOCK.sub("", text)):
        yield from (Command(page, words, in_block=False) for words in split(code.replace(r"\|", "|")))


def split(line: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of each simple command of a line, those of substitutions first."""
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars=_OPERATORS)
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:  # an apostrophe: the line is output, not a command
        return
    simple: list[str] = []
    for word in (*words, ";"):
        for inner in _SUBSTITUTION.findall(word):
            yield from split(inner)
        if word.strip(_OPERATORS):
            simple.append(word)
        elif simple:
            yield tuple(simple)
            simple = []
