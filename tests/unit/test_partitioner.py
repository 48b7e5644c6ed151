"""Keys go where Kafka's own clients send them."""

from aiokafka.partitioner import murmur2 as aiokafkas
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.partitioner import Partitioner, murmur2


@given(st.binary(max_size=300))
def test_murmur2_is_the_one_of_kafkas_clients(data):
    assert murmur2(data) == aiokafkas(data) & 0xFFFFFFFF


@given(st.binary(max_size=50), st.integers(1, 1000))
def test_a_key_always_goes_to_the_same_partition_in_range(key, partitions):
    chosen = Partitioner().of_key(key, partitions)
    assert 0 <= chosen < partitions
    assert chosen == Partitioner().of_key(key, partitions)


def test_what_has_no_key_goes_round():
    partitioner = Partitioner()
    assert [partitioner.next(3) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]
