"""Keys go where Kafka's own clients send them."""

from aiokafka.partitioner import murmur2 as aiokafkas
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.partitioner import murmur2, partition_of


@given(st.binary(max_size=300))
def test_murmur2_is_the_one_of_kafkas_clients(data):
    assert murmur2(data) == aiokafkas(data) & 0xFFFFFFFF


@given(st.binary(max_size=50), st.integers(1, 1000))
def test_a_key_always_goes_to_the_same_partition_in_range(key, partitions):
    chosen = partition_of(key, partitions)
    assert 0 <= chosen < partitions
    assert chosen == partition_of(key, partitions)
