"""GET /openapi.json: the OpenAPI document of this API."""
