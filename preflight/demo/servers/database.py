"""A service's own Postgres, if it has one."""

from __future__ import annotations


async def run_query(url: str, query: str, *values: str, patience: int = 60) -> None:
    """Run a query that changes nothing; without a URL, do nothing. Raises psycopg.Error within ``patience`` seconds."""
    if not url:
        return
    import psycopg

    async with await psycopg.AsyncConnection.connect(url, connect_timeout=patience, autocommit=True) as connection:
        await connection.execute(query.encode(), values)
