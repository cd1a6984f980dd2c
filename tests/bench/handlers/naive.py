"""Naive variant of the API function: module-level imports, and a boto3 client created at import."""

import boto3
import cryptography.hazmat.primitives.asymmetric.padding
import httpx
import pydantic.v1  # FastAPI loads it for the first parameter that a route declares
from aws_lambda_powertools.utilities import parameters

import api.candlesticks.fetch
import api.candlesticks.responses
import api.candlesticks.single_response
import api.openapi.document
import kalshi_markets.exchange
from api.handler import handler

client = boto3.client("secretsmanager")

__all__ = ["api", "client", "cryptography", "handler", "httpx", "kalshi_markets", "parameters", "pydantic"]
