"""State of the module secrets_manager, which lives as long as a process."""

from kalshi_markets import secrets_manager


def clear_cache() -> None:
    """Clear the cached secrets and the cached client."""
    secrets_manager._cache.clear()
    secrets_manager.client.cache_clear()
