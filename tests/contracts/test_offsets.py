"""What `Broker.committed` and `Broker.commit` promise."""

import pytest

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
