"""Signed requests to the simulated exchange: both key types, and the four reasons for rejection."""

from base64 import b64encode
from collections.abc import Callable, Iterator

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from local.exchange.clock import Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.exchange.http.signatures import PublicKey

NOW = parse("2026-11-24T12:00:00Z")
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519_KEY = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, PublicKey] = {"rsa-key": RSA_KEY.public_key(), "ed25519-key": ED25519_KEY.public_key()}
LIMITS = "/trade-api/v2/account/limits"


@pytest.fixture(scope="module")
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer(generate(1, 10, Clock(NOW, speed=0)), KEYS) as server:
        yield server


@pytest.fixture(scope="module")
def api(server: ExchangeServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as client:
        yield client


def pss(message: str, salt_length: int = 32) -> bytes:
    return RSA_KEY.sign(message.encode(), padding.PSS(padding.MGF1(SHA256()), salt_length), SHA256())


def ed(message: str) -> bytes:
    return ED25519_KEY.sign(message.encode())


def headers(key_id: str, timestamp: int | str, signature: bytes) -> dict[str, str]:
    return {
        "KALSHI-ACCESS-KEY": key_id,
        "KALSHI-ACCESS-TIMESTAMP": str(timestamp),
        "KALSHI-ACCESS-SIGNATURE": b64encode(signature).decode(),
    }


def present(server: ExchangeServer, seconds: float = 0) -> int:
    """Return the exchange's time in milliseconds, plus this many seconds."""
    return server.exchange.clock.now() // 1000 + int(seconds * 1000)


@pytest.mark.parametrize(("key_id", "sign"), [("rsa-key", pss), ("ed25519-key", ed)])
def test_both_key_types_open_the_account(
    server: ExchangeServer, api: httpx.Client, key_id: str, sign: Callable[[str], bytes]
) -> None:
    at = present(server)
    response = api.get("/account/limits", headers=headers(key_id, at, sign(f"{at}GET{LIMITS}")))
    assert response.status_code == 200
    assert response.json() == {
        "usage_tier": "basic",
        "read": {"refill_rate": 200, "bucket_capacity": 600},
        "write": {"refill_rate": 100, "bucket_capacity": 100},
        "grants": [],
    }
    assert "cache-control" not in response.headers


def test_the_query_is_not_signed(server: ExchangeServer, api: httpx.Client) -> None:
    at = present(server)
    signed = headers("ed25519-key", at, ed(f"{at}GET/trade-api/v2/markets"))
    assert api.get("/markets", params={"limit": 1}, headers=signed).status_code == 200


@pytest.mark.parametrize(
    "message", ["{at}GET/trade-api/v2/markets?limit=1", "{at}GET/markets", "{at}POST/trade-api/v2/markets"]
)
def test_a_signature_over_anything_else_is_rejected(server: ExchangeServer, api: httpx.Client, message: str) -> None:
    at = present(server)
    signed = headers("ed25519-key", at, ed(message.format(at=at)))
    response = api.get("/markets", params={"limit": 1}, headers=signed)
    assert authentication_error(response) == ("authentication_error", "INCORRECT_API_KEY_SIGNATURE")


def test_other_paddings_other_keys_and_garbage_are_rejected(server: ExchangeServer, api: httpx.Client) -> None:
    at = present(server)
    message = f"{at}GET{LIMITS}"
    pkcs1 = RSA_KEY.sign(message.encode(), padding.PKCS1v15(), SHA256())
    for key_id, signature in [
        ("rsa-key", pkcs1),
        ("rsa-key", pss(message, salt_length=20)),
        ("rsa-key", ed(message)),
        ("ed25519-key", pss(message)),
        ("ed25519-key", b"x"),
    ]:
        response = api.get("/account/limits", headers=headers(key_id, at, signature))
        assert authentication_error(response) == ("authentication_error", "INCORRECT_API_KEY_SIGNATURE")
    not_base64 = headers("rsa-key", at, b"") | {"KALSHI-ACCESS-SIGNATURE": "n*t base64"}
    assert authentication_error(api.get("/account/limits", headers=not_base64))[1] == "INCORRECT_API_KEY_SIGNATURE"


def test_an_unknown_key_is_not_found(server: ExchangeServer, api: httpx.Client) -> None:
    at = present(server)
    signed = headers("nobody", at, ed(f"{at}GET{LIMITS}"))
    assert authentication_error(api.get("/account/limits", headers=signed)) == ("authentication_error", "NOT_FOUND")


def test_a_missing_signature_is_reported_on_the_account_and_beside_other_headers(api: httpx.Client) -> None:
    assert authentication_error(api.get("/account/limits")) == ("signature_is_missing", None)
    assert authentication_error(api.get("/markets", headers={"KALSHI-ACCESS-KEY": "rsa-key"})) == (
        "signature_is_missing",
        None,
    )


@pytest.mark.parametrize(("skew", "status"), [(-28, 200), (28, 200), (-33, 401), (33, 401)])
def test_the_clocks_may_differ_by_half_a_minute(
    server: ExchangeServer, api: httpx.Client, skew: int, status: int
) -> None:
    at = present(server, skew)
    response = api.get("/account/limits", headers=headers("rsa-key", at, pss(f"{at}GET{LIMITS}")))
    assert response.status_code == status
    if status == 401:
        assert authentication_error(response) == ("header_timestamp_expired", None)


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1" * 5000])
def test_an_unreadable_timestamp_has_expired(api: httpx.Client, timestamp: str) -> None:
    response = api.get("/account/limits", headers=headers("ed25519-key", timestamp, ed(f"{timestamp}GET{LIMITS}")))
    assert authentication_error(response) == ("header_timestamp_expired", None)


def authentication_error(response: httpx.Response) -> tuple[str, str | None]:
    assert response.status_code == 401
    error = response.json()["error"]
    return error["code"], error.get("details")
