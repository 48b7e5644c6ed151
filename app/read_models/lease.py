"""Whose turn it is to write: of all processes on one PostgreSQL, one holds the lease."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, text

SECONDS = 10
"""For how long it is held without being renewed; every transaction renews it."""

_LEASE = Table(
    "event_index_lease",
    MetaData(),
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("holder", String, nullable=False),
    Column("fence", BigInteger, nullable=False),  # grows whenever it changes hands
    Column("backend", Integer, nullable=False),  # the server's process behind the holder's connection
    Column("until", BigInteger, nullable=False),  # microseconds, by the server's clock
)
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_RENEWED = f"until = {_NOW} + {SECONDS * 1_000_000}, backend = pg_backend_pid()"
# A holder that was killed has lost its connection: nobody needs to wait for the end of its time.
_TAKE = text(
    f"UPDATE event_index_lease SET holder = :holder, fence = fence + 1, {_RENEWED} "  # noqa: S608  # of constants
    f"WHERE until < {_NOW} OR NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = backend) RETURNING fence"
)
_KEEP = text(f"UPDATE event_index_lease SET {_RENEWED} WHERE fence = :fence")  # noqa: S608
_END = text("UPDATE event_index_lease SET until = 0 WHERE fence = :fence")
_FIRST = text("INSERT INTO event_index_lease VALUES (1, '', 0, 0, 0) ON CONFLICT DO NOTHING")


def make_lease(connection: Connection) -> None:
    """Its table, where it is missing."""
    _LEASE.create(connection, checkfirst=True)
    connection.execute(_FIRST)


class LeaseLost(Exception):
    """Somebody else holds it: what was about to be written would stand beside what they write."""


@dataclass
class Lease:
    """This process's side of it. `holder` is for whoever looks into the table."""

    holder: str
    fence: int | None = None

    def take(self, connection: Connection) -> bool:
        """Whether it is ours now, be it that it still is."""
        if self._kept(connection):
            return True
        self.fence = connection.execute(_TAKE, {"holder": self.holder}).scalar_one_or_none()
        return self.fence is not None

    def keep(self, connection: Connection) -> None:
        """Renew it, at the beginning of a transaction: nobody else gets it before that ends. Raises LeaseLost."""
        if not self._kept(connection):
            self.fence = None
            raise LeaseLost

    def end(self, connection: Connection) -> None:
        """Give it back, if it is ours."""
        if self.fence is not None:
            connection.execute(_END, {"fence": self.fence})
            self.fence = None

    def _kept(self, connection: Connection) -> bool:
        return self.fence is not None and connection.execute(_KEEP, {"fence": self.fence}).rowcount == 1
