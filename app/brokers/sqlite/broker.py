"""The embedded log: a whole `Log` in one SQLite file. One thread writes (`writer`), a few read (`reader`)."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from app.broker import BrokerKind, Membership, Sharer
from app.brokers.members import Members
from app.brokers.sqlite.catalog import Catalog
from app.brokers.sqlite.compaction import Compaction
from app.brokers.sqlite.inbox import Job, Publish, Submission, Work
from app.brokers.sqlite.jobs import alter_topic, commit_offsets, create_topic, delete_topic, forget_offsets, ping
from app.brokers.sqlite.lock import OwnerLock
from app.brokers.sqlite.reader import Readers, first_since, read_committed, read_end, read_groups, read_page
from app.brokers.sqlite.retention import Retention
from app.brokers.sqlite.schema import NotOurs
from app.brokers.sqlite.windows import fill_windows
from app.brokers.sqlite.writer import Committed, Writer, ignore
from app.brokers.waiting import Waiting
from app.brokers.wakeups import Wakeups
from app.deadline import Clock, Deadline
from app.errors import NOT_WRITTEN, UNKNOWN, Disconnected, NotFound, ResourceUnavailable, SluiceError
from app.group import GroupInfo, find_group
from app.record import Failed, Fetched, Limit, NewRecord, Outcome, Position, Show
from app.topic import TopicInfo, TopicLayout, TopicSpec, check_embedded


@dataclass(frozen=True, slots=True)
class _Parts:
    lock: OwnerLock
    catalog: Catalog
    writer: Writer
    readers: Readers


class SqliteBroker:
    """`Log` in the file at `path`, whose folder is made. Records are on disk before they are acknowledged.

    One process owns the file. Retention and compaction run every `retention_interval` seconds, by the clock passed in.
    `committed` is told of each transaction (see `writer`).
    """

    kind: BrokerKind = "sqlite"
    fault: str | None = None

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        dedupe_window_secs: int,
        dedupe_max_ids: int,
        retention_interval: float = 30,
        committed: Committed = ignore,
    ) -> None:
        self._path = path
        self._clock = clock
        self._window_ms = dedupe_window_secs * 1000
        self._max_ids = dedupe_max_ids
        self._retention_interval = retention_interval
        self._committed = committed
        self._wakeups = Wakeups()
        self._members = Members(self._commit, lambda topic: len(self._parts().catalog.topic(topic).partitions))
        self.waiting = Waiting()
        """Sends that are waiting now."""
        self._open: _Parts | None = None
        self._retention: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises ResourceUnavailable: another process owns the file, it can't be had, or it is no log of ours."""
        opening = asyncio.ensure_future(asyncio.to_thread(self._open_files))
        try:
            self._open = await asyncio.shield(opening)
        except asyncio.CancelledError:
            with contextlib.suppress(ResourceUnavailable):
                await asyncio.to_thread(_close_files, await opening)
            raise
        self._open.writer.start(asyncio.get_running_loop())
        self._retention = asyncio.create_task(self._retain_forever(), name="retention")

    async def close(self) -> None:
        """Write what waits and give everything back. May be called again."""
        parts, self._open = self._open, None
        retention, self._retention = self._retention, None
        if retention is not None:
            retention.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await retention
        if parts is not None:
            await asyncio.to_thread(_close_files, parts)

    async def ping(self) -> None:
        await self._change(ping())

    async def publish(self, topic: str, records: Sequence[NewRecord], deadline: Deadline) -> list[Outcome]:
        parts = self._parts()
        known = parts.catalog.topic(topic)
        for number in {record.partition for record in records}:
            known.partition(number)
        if not records:
            return []
        inbox = parts.writer.inbox
        submission = Publish(asyncio.get_running_loop().create_future(), topic, records)
        inbox.put(submission)
        number = self.waiting.begin()
        try:
            answered = await deadline.wait(submission.answer)
        except asyncio.CancelledError:
            inbox.withdraw(submission)
            raise
        finally:
            self.waiting.end(number)
        if answered:
            outcomes: list[Outcome] = _result(submission)
            return outcomes
        never = inbox.withdraw(submission)
        return [Failed(deadline.error(NOT_WRITTEN if never else UNKNOWN))] * len(records)

    async def prepare(self, topic: str) -> None:
        self._parts().catalog.topic(topic)

    async def fetch(self, at: Position, limit: Limit, wait: float = 0, show: Show | None = None) -> Fetched:
        return (await self._fetched(at, limit, wait)).shown_by(show)

    async def _fetched(self, at: Position, limit: Limit, wait: float) -> Fetched:
        parts = self._parts()
        topic = parts.catalog.topic(at.topic)
        partition = topic.partition(at.partition)
        offset = partition.clamp(at.offset)
        if offset < at.offset:  # what was committed a moment ago may have been read already, before it is known here
            offset = min(at.offset, await parts.readers.run(partial(read_end, partition_id=partition.id, at=at)))
        if wait and offset >= partition.next_offset:
            await self._wakeups.wait((at.topic, at.partition), wait)
            now = self._parts().catalog.topic(at.topic)
            if now.id != topic.id:
                raise NotFound(f"topic '{at.topic}' was deleted")
            partition = now.partition(at.partition)
            offset = max(offset, partition.log_start)
            wait = 0
        if offset >= partition.next_offset:
            return Fetched([], offset, offset, partition.log_start)
        at = Position(at.topic, at.partition, offset)
        fetched = await parts.readers.run(partial(read_page, partition_id=partition.id, at=at, limit=limit))
        if wait and not fetched.records and fetched.next_offset > offset:  # only holes are left up to the end
            return await self._fetched(at._replace(offset=fetched.next_offset), limit, wait)
        return fetched

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        parts = self._parts()
        topic_id = parts.catalog.topic(topic).id
        return await parts.readers.run(partial(read_committed, topic_id=topic_id, group=group))

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        self._members.check_free(group)
        await self._commit(group, topic, offsets)

    async def _commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        await self._change(commit_offsets(self._parts().catalog, group, topic, dict(offsets)))

    async def join(self, group: str, topic: str, sharer: Sharer) -> Membership:
        self._parts().catalog.topic(topic)
        return await self._members.join(group, topic, sharer)

    async def check_free(self, group: str) -> None:
        self._members.check_free(group)

    async def forget(self, group: str, topic: str) -> None:
        self._members.check_free(group)
        await self._change(forget_offsets(self._parts().catalog, group, topic))

    async def offsets_at(self, topic: str, time_ms: int) -> dict[int, int]:
        parts = self._parts()
        found = {}
        for partition in parts.catalog.topic(topic).partitions:
            offset = await parts.readers.run(partial(first_since, partition_id=partition.id, time_ms=time_ms))
            found[partition.number] = partition.next_offset if offset is None else partition.clamp(offset)
        return found

    async def groups(self) -> list[GroupInfo]:
        return self._members.groups(await self._parts().readers.run(read_groups))

    async def group(self, name: str) -> GroupInfo:
        return find_group(name, await self.groups())

    async def nodes(self) -> int:
        return 1

    async def topics(self) -> dict[str, int]:
        return {name: len(topic.partitions) for name, topic in self._parts().catalog.topics.items()}

    async def layout(self, topic: str, *, fresh: bool = False) -> TopicLayout:
        known = self._parts().catalog.topic(topic)
        return TopicLayout(len(known.partitions), known.policy)

    async def describe(self, topic: str) -> TopicInfo:
        return self._parts().catalog.topic(topic).describe()

    async def describe_many(self, topics: Sequence[str]) -> list[TopicInfo]:
        known = self._parts().catalog.topics
        return [await self.describe(topic) for topic in topics if topic in known]

    async def create(self, spec: TopicSpec) -> None:
        policy = check_embedded(spec)
        await self._change(create_topic(self._parts().catalog, spec, policy), alone=True)

    async def alter(self, topic: str, *, partitions: int | None, configs: Mapping[str, str]) -> None:
        await self._change(alter_topic(self._parts().catalog, topic, partitions, configs), alone=True)
        await self._members.changed(topic)

    async def delete(self, topic: str) -> None:
        await self._change(delete_topic(self._parts().catalog, topic), alone=True)

    def _parts(self) -> _Parts:
        if self._open is None:
            raise Disconnected("the log is not open")
        return self._open

    async def _change(self, work: Work, *, alone: bool = False) -> None:
        """Have the writer do it. A caller that is cancelled before the writer took it has changed nothing."""
        inbox = self._parts().writer.inbox
        job = Job(asyncio.get_running_loop().create_future(), work, alone=alone)
        inbox.put(job)
        try:
            await asyncio.wait({job.answer})
        except asyncio.CancelledError:
            inbox.withdraw(job)
            raise
        _result(job)

    def _wake(self, partitions: Iterable[tuple[str, int]]) -> None:
        for partition in partitions:
            self._wakeups.wake(partition)

    async def _retain_forever(self) -> None:
        parts = self._parts()
        write = partial(self._change, alone=True)
        rounds = (
            Retention(parts.catalog, parts.readers, write, self._clock).round,
            Compaction(parts.catalog, parts.readers, write, self._clock).round,
        )
        while True:
            await asyncio.sleep(self._retention_interval)
            for one_round in rounds:
                with contextlib.suppress(SluiceError):  # the next one tries again
                    await one_round()

    def _open_files(self) -> _Parts:
        lock = OwnerLock(self._path)
        catalog = Catalog(self._window_ms, self._max_ids)
        writer = Writer(self._path, catalog, self._clock, self._wake, self._committed)
        with contextlib.ExitStack() as undo, _told_as_unavailable(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            undo.callback(lock.release)
            lock.acquire()
            undo.callback(writer.close)
            db = writer.open()
            catalog.load(db)
            fill_windows(db, catalog, int(self._clock() * 1000))
            parts = _Parts(lock, catalog, writer, Readers(self._path))
            undo.pop_all()
        return parts


def _close_files(parts: _Parts) -> None:
    parts.readers.close()
    parts.writer.close()
    parts.lock.release()


def _result(submission: Submission) -> Any:
    value = submission.answer.result()
    if isinstance(value, SluiceError):
        raise value
    return value


@contextlib.contextmanager
def _told_as_unavailable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, apsw.Error, NotOurs) as error:
        raise ResourceUnavailable(f"the log file '{path}' can't be opened: {error}") from error
