"""Floor of the cold start: FastAPI behind Mangum, and one query through pg8000."""

import asyncio
import json
import os
from functools import cache

import pg8000.native
from fastapi import FastAPI
from mangum import Mangum
from starlette.responses import Response

QUERY = "SELECT coalesce(json_agg(m), '[]')::text FROM (SELECT ticker, title, volume FROM kalshi_markets LIMIT 100) m"

asyncio.set_event_loop(asyncio.new_event_loop())
app = FastAPI()


@cache
def connection() -> pg8000.native.Connection:
    user, password = os.environ.get("DB_USER", ""), os.environ.get("DB_PASSWORD")
    if secret := os.environ.get("DB_SECRET_ARN"):
        import boto3

        value = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
        user, password = value["username"], value["password"]
    host, port, name = (os.environ[f"DB_{part}"] for part in ("HOST", "PORT", "NAME"))
    return pg8000.native.Connection(user, password=password, host=host, port=int(port), database=name)


@app.get("/markets")
async def markets() -> Response:
    return Response(connection().run(QUERY)[0][0], media_type="application/json")


handler = Mangum(app, lifespan="off")
