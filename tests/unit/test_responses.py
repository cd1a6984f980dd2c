import base64
import gzip
import json
import random
import string

import httpx
import pytest
from starlette.requests import Request

from api import responses
from api.candlesticks.gzip_body import BoundedBody, Deflated
from api.responses import MAX_LAMBDA_RESPONSE, accepts_gzip


def request(accept_encoding: str | None = None) -> Request:
    headers = [] if accept_encoding is None else [(b"accept-encoding", accept_encoding.encode())]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0.001", True),
        ("gzip;q=0. ;x=1", False),
        ("*;q=0, gzip", True),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("identity", False),
    ],
)
def test_gzip_is_used_only_where_it_is_accepted(header: str | None, accepted: bool) -> None:
    assert accepts_gzip(request(header)) is accepted


def serialised(body: str | bytes) -> int:
    is_compressed = isinstance(body, bytes)
    text = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    return len(json.dumps({"statusCode": 200, "body": text, "isBase64Encoded": is_compressed}))


def plain(body: str | bytes) -> str:
    return gzip.decompress(body).decode() if isinstance(body, bytes) else body


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("alphabet", [string.ascii_letters, '"\\\n', "é😀"])
def test_a_body_never_outgrows_lambdas_limit(compress: bool, alphabet: str) -> None:
    rng = random.Random(1)
    body = BoundedBody(compress=compress)
    pieces = 0
    while body.try_append("".join(rng.choices(alphabet, k=50_000))):
        pieces += 1
        if pieces > 2000:  # three symbols compress so well that the limit is far away
            break
    finished = body.finish()
    assert serialised(finished) <= MAX_LAMBDA_RESPONSE
    if pieces <= 2000:
        assert serialised(finished) > 0.8 * MAX_LAMBDA_RESPONSE


def test_a_rejected_append_does_not_change_the_body() -> None:
    body = BoundedBody(compress=True)
    assert body.try_append("first")
    noise = random.Random(2).randbytes(4_000_000).hex() * 2
    assert not body.try_append(noise)
    assert body.try_append("second")
    assert plain(body.finish()) == "firstsecond"


@pytest.mark.parametrize("compress", [True, False])
def test_compressed_text_may_stand_anywhere_in_a_body(compress: bool) -> None:
    rng = random.Random(3)
    body, expected = BoundedBody(compress=compress), ""
    for _ in range(300):
        text = "".join(rng.choices('aé"\n{}', k=rng.choice([0, 1, 30, 3000])))
        assert body.try_append(text if rng.random() < 0.5 else Deflated.compress(text), Deflated.compress(text))
        expected += text * 2
    finished = body.finish()
    assert isinstance(finished, bytes) is compress
    assert plain(finished) == expected


def test_httpx_ignores_all_but_the_first_member_of_a_gzip_body() -> None:
    members = gzip.compress(b"first") + gzip.compress(b"second")
    assert gzip.decompress(members) == b"firstsecond"
    assert httpx.Response(200, headers={"content-encoding": "gzip"}, content=members).content == b"first"


def test_httpx_decodes_all_parts_of_a_body() -> None:
    body = BoundedBody(compress=True)
    assert body.try_append("first", Deflated.compress("second" * 1000))
    finished = body.finish()
    assert isinstance(finished, bytes)
    response = httpx.Response(200, headers={"content-encoding": "gzip"}, content=finished)
    assert response.text == "first" + "second" * 1000


@pytest.mark.parametrize("text", ["a" * 1000, "é\U0001f600" * 50_000, '"\n' * 100_000, "a" * 7_000_000])
def test_the_room_that_a_plain_body_takes_is_that_of_its_json(text: str) -> None:
    taken = responses.fraction_of_limit(text)
    fits = serialised(text) <= MAX_LAMBDA_RESPONSE
    assert (taken <= 1) == fits
    if fits:
        assert taken * MAX_LAMBDA_RESPONSE == pytest.approx(serialised(text), rel=0.02, abs=200)


def test_the_room_that_a_compressed_body_takes_is_that_of_its_base64() -> None:
    noise = responses.gzip_text(random.Random(1).randbytes(3_000_000).hex())
    assert responses.fraction_of_limit(noise) * MAX_LAMBDA_RESPONSE == pytest.approx(serialised(noise), rel=0.01)
    assert gzip.decompress(responses.gzip_text("é")) == "é".encode()
