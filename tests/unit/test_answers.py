import base64
import gzip
import json
import random
import string

import pytest
from starlette.requests import Request

from api import answers
from api.answers import LAMBDA_LIMIT, Body, accepts_gzip


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


def serialised(body: bytes, *, compress: bool) -> int:
    text = base64.b64encode(body).decode() if compress else body.decode()
    return len(json.dumps({"statusCode": 200, "body": text, "isBase64Encoded": compress}))


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("alphabet", [string.ascii_letters, '"\\\n', "é😀"])
def test_a_body_never_outgrows_lambdas_limit(compress: bool, alphabet: str) -> None:
    rng = random.Random(1)
    body = Body(compress=compress)
    pieces = 0
    while body.add("".join(rng.choices(alphabet, k=50_000))):
        pieces += 1
        if pieces > 2000:  # three symbols compress so well that the limit is far away
            break
    finished = body.finish()
    assert serialised(finished, compress=compress) <= LAMBDA_LIMIT
    if pieces <= 2000:
        assert serialised(finished, compress=compress) > 0.8 * LAMBDA_LIMIT


def test_what_did_not_fit_leaves_no_trace() -> None:
    body = Body(compress=True)
    assert body.add("first")
    noise = random.Random(2).randbytes(4_000_000).hex() * 2
    assert not body.add(noise)
    assert body.add("second")
    assert gzip.decompress(body.finish()) == b"firstsecond"


@pytest.mark.parametrize("accept", ["gzip", "identity"])
def test_a_page_that_is_too_large_is_cut_between_items_and_says_so(accept: str) -> None:
    rng = random.Random(3)
    items = [json.dumps({"n": n, "noise": rng.randbytes(1500).hex()}) for n in range(6000)]
    response = answers.page(request(accept), ",\n".join(items), len(items), ",\n", offset=70)
    assert isinstance(response.body, bytes)
    compressed = response.headers.get("content-encoding") == "gzip"
    answer = json.loads(gzip.decompress(response.body) if compressed else response.body)
    assert answer["items"] == [json.loads(item) for item in items[: answer["count"]]]
    assert 0 < answer["count"] < 6000
    assert (answer["truncated"], answer["next_offset"]) == (True, 70 + answer["count"])
    assert serialised(response.body, compress=compressed) <= LAMBDA_LIMIT


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_page_that_fits_is_whole(count: int) -> None:
    items = [json.dumps({"n": n}) for n in range(count)]
    response = answers.page(request(), ",\n".join(items), count, ",\n", offset=0)
    assert json.loads(bytes(response.body)) == {"items": [json.loads(item) for item in items], "count": count}
