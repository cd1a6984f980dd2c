"""Table of the tools, in the order of their list."""

from collections.abc import Mapping
from typing import Final

from api.mcp import get_candlesticks, get_freshness, get_market, search_markets
from api.mcp.tool import Tool

TOOLS: Final[Mapping[str, Tool]] = {
    module.TOOL.name: module.TOOL for module in (search_markets, get_market, get_candlesticks, get_freshness)
}
"""Tools by name."""
