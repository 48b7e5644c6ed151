"""What brokers promise of committed offsets, and of offsets by time."""

import time

import pytest
from support import fresh_topic, publish, record

from app.errors import NotFound
from app.topic import TopicSpec


async def test_a_new_group_has_committed_nothing(log, topic):
    assert await log.committed(f"http-{topic}", topic) == {}


async def test_commits_add_up_and_later_ones_win(log, topic):
    group = f"http-{topic}"
    await log.commit(group, topic, {0: 5})
    await log.commit(group, topic, {2: 7})
    await log.commit(group, topic, {0: 3})
    assert await log.committed(group, topic) == {0: 3, 2: 7}


async def test_groups_and_topics_do_not_mix(log, topic):
    other = f"{topic}-other"
    await log.create(TopicSpec(other, 1))
    await log.commit(f"http-{topic}", topic, {0: 5})
    assert await log.committed(f"http-{topic}-x", topic) == {}
    assert await log.committed(f"http-{topic}", other) == {}


async def test_unknown_topics_and_partitions_are_not_found(log, topic):
    with pytest.raises(NotFound):
        await log.committed("http-1", "contract.absent")
    with pytest.raises(NotFound):
        await log.commit("http-1", "contract.absent", {0: 1})
    with pytest.raises(NotFound):
        await log.commit("http-1", topic, {3: 1})


async def test_forgotten_offsets_are_gone_and_those_of_others_stay(log, topic):
    group, other = f"http-{topic}", f"http-{topic}-x"
    await log.commit(group, topic, {0: 5, 1: 6})
    await log.commit(other, topic, {0: 7})
    await log.forget(group, topic)
    await log.forget(group, topic)
    assert await log.committed(group, topic) == {}
    assert await log.committed(other, topic) == {0: 7}
    with pytest.raises(NotFound):
        await log.forget(group, fresh_topic())


async def test_a_time_leads_to_the_first_record_that_is_not_older(log, topic):
    now_ms = int(time.time() * 1000)
    for age in (300, 200, 200, 100):
        await publish(log, topic, record(now_ms=now_ms - age))
    await publish(log, topic, record(partition=1, now_ms=now_ms - 250), record(partition=1, now_ms=now_ms))
    found = {age: await log.offsets_at(topic, now_ms - age) for age in (400, 300, 299, 200, 100, 0, -1)}
    assert [at[0] for at in found.values()] == [0, 0, 1, 1, 3, 4, 4]
    assert [at[1] for at in found.values()] == [0, 0, 0, 1, 1, 1, 2]
    assert all(at[2] == 0 for at in found.values())
    with pytest.raises(NotFound):
        await log.offsets_at(fresh_topic(), 0)
