"""SQL of batch writes: rows that arrive as one JSON parameter, and their comparison with stored rows."""

from collections.abc import Iterable, Sequence

from kalshi_markets.columns import Column, Kind


def incoming_rows_sql(columns: Sequence[Column], further: Sequence[tuple[str, str]] = ()) -> str:
    """Return the SQL that reads the rows of the parameter $1, a JSON array of objects.

    further: names and types of further members.
    The type json takes half the time of jsonb, because the array is read once.
    """
    types = ", ".join(
        f"{name} {sql_type}" for name, sql_type in (*further, *((column.name, _type(column)) for column in columns))
    )
    values = ", ".join([*(name for name, _ in further), *map(_value, columns)])
    return f"SELECT {values} FROM json_to_recordset($1::json) AS incoming({types})"


def names_of(columns: Iterable[Column]) -> list[str]:
    """Return the names of the columns."""
    return [column.name for column in columns]


def assign_sql(names: Sequence[str], source: str = "incoming") -> str:
    """Return the SQL for SET that assigns the columns of a source."""
    return f"({', '.join(names)}) = ROW({qualified(source, names)})"


def differ_sql(stored: str, names: Sequence[str], source: str = "incoming") -> str:
    """Return the SQL condition that a stored row differs from that of a source in any of these columns."""
    return f"({qualified(stored, names)}) IS DISTINCT FROM ({qualified(source, names)})"


def qualified(alias: str, names: Sequence[str]) -> str:
    """Return a SELECT list of the columns of an alias."""
    return ", ".join(f"{alias}.{name}" for name in names)


def set_change_number_sql(table: str, rows: str = "") -> str:
    """Return the SQL for SET that numbers a change. rows: `_events`, `_series`, or empty for markets."""
    return f"changed_at = now(), change_number = nextval('{table}{rows}_change')"


def _type(column: Column) -> str:
    # Read as jsonb, the text of a JSON column would become a JSON string.
    return "text" if column.kind is Kind.JSON else column.sql_type


def _value(column: Column) -> str:
    if column.kind is Kind.JSON:
        return f"{column.name}::jsonb AS {column.name}"
    if column.sql_type == "numeric":
        return f"trim_scale({column.name}) AS {column.name}"
    return column.name
