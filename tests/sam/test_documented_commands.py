"""Commands of the SAM CLI in the documents: each has only options that the command has."""

import subprocess
from functools import cache

import pytest

from local.sam.cli import BIN, sam_environment
from tests.support.documented_commands import Command, commands


@cache
def help_of(*words: str) -> str:
    command = [str(BIN / "sam"), *words, "--help"]
    result = subprocess.run(command, env=sam_environment(), capture_output=True, text=True, check=True)
    return result.stdout


def test_there_are_such_commands() -> None:
    assert {words[1] for words in (command.words for command in commands("sam"))} >= {"build", "deploy", "delete"}


@pytest.mark.parametrize("command", commands("sam"), ids=str)
def test_a_command_and_its_options_exist(command: Command) -> None:
    first = next((n for n, word in enumerate(command.words) if word.startswith("-")), len(command.words))
    names = command.words[1:first]
    if names[0] == "local":
        names = names[:2]  # a function may follow
    text = help_of(*names)
    assert [word for word in command.words if word.startswith("--") and word not in text] == []
