"""Output of `sam build`."""

import io
import struct
import zipfile
from pathlib import Path

import pytest

from api.explorer.assets import MEDIA_TYPES
from tests.sam.__main__ import ARCHITECTURES, build_for

MACHINES = {"arm64": 183, "x86_64": 62}
"""Machine types EM_AARCH64 and EM_X86_64 of elf.h."""


def machine_of(library: Path) -> int:
    """Return e_machine, bytes 18 and 19 of an ELF header."""
    header = library.read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    machine: int = struct.unpack_from("<H", header, 18)[0]
    return machine


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_shared_object_has_the_requested_architecture(architecture: str) -> None:
    libraries = [path for path in build_for(architecture).folder.rglob("*") if ".so" in path.suffixes]
    assert {path.name.partition(".")[0] for path in libraries} >= {"_pydantic_core", "_rust", "_cffi_backend"}
    assert {machine_of(library) for library in libraries} == {MACHINES[architecture]}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_artifacts_contain_only_our_code_and_the_layer_only_packages(architecture: str) -> None:
    folder = build_for(architecture).folder
    assert {path.name for path in (folder / "ApiFunction").iterdir()} == {"api", "authorizer", "crawler", "migrator"}
    layer = {path.name for path in (folder / "SharedLayer" / "python").iterdir()}
    assert {"kalshi_markets", "fastapi", "mangum", "pg8000", "httpx", "aws_lambda_powertools", "cryptography"} <= layer
    assert "boto3" not in layer


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_layer_of_the_pages_has_what_is_served_and_nothing_else(architecture: str) -> None:
    layer = build_for(architecture).folder / "ExplorerLayer" / "python"
    assert [path.name for path in layer.iterdir()] == ["explorer_assets"]
    files = [path for path in layer.rglob("*") if path.is_file()]
    assert {"home.js", "style.css", "lightweight-charts.js", "lit-html.LICENSE.txt"} <= {path.name for path in files}
    assert [path for path in files if path.suffix not in MEDIA_TYPES or path.name.startswith(".")] == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_api_function_with_its_layers_is_within_25_megabytes_zipped(architecture: str) -> None:
    folder = build_for(architecture).folder
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in ("ApiFunction", "SharedLayer", "ExplorerLayer"):
            for path in (folder / part).rglob("*"):
                archive.write(path, path.relative_to(folder))
    print(f"{architecture}: {packed.tell() / 1e6:.1f} MB")
    assert packed.tell() <= 25_000_000
