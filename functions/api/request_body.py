"""Request bodies in JSON: validation against a model, and the tickers that models have in common."""

from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from api.errors import ErrorCode, Problem, validation_error
from api.query_string import MAX_NAME_LENGTH
from kalshi_markets.text import MAX_TICKER_LENGTH, excerpt

MAX_BODY_PROBLEMS: Final = 20

Model = TypeVar("Model", bound=BaseModel)


def _ticker(value: str) -> str:
    if not value.isprintable():  # lone surrogates are not printable
        raise ValueError("must contain only printable characters")
    return value


Ticker = Annotated[str, Field(min_length=1, max_length=MAX_TICKER_LENGTH), AfterValidator(_ticker)]


def parse_model(model: type[Model], body: bytes, example: str) -> Model:
    """Parse a body. example: a valid body. Raises ApiError, a 422 that does not quote the body."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        problems = [
            Problem(
                ErrorCode.INVALID_BODY,
                ("body", *map(_safe_loc, details["loc"])),
                details["msg"].removeprefix("Value error, "),
                example,
            )
            for details in errors[:MAX_BODY_PROBLEMS]
        ]
        raise validation_error(problems) from None


def _safe_loc(item: str | int) -> str | int:
    """Return an item of a location. A text is truncated and escaped: it may be a field name that the client chose."""
    return excerpt(item, MAX_NAME_LENGTH) if isinstance(item, str) else item
