"""A gateway that the command line speaks to."""

from functools import partial

import pytest
from commands import new_topic, sluice_on
from gateways import serving


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A gateway of its own process: commands run here, and what it logs must not stand between what they print."""
    with serving(tmp_path_factory.mktemp("cli"), BROKER_URL="memory://") as (url, _):
        yield url


@pytest.fixture
def topic(url):
    return new_topic(url)


@pytest.fixture
def sluice(url, topic):
    return partial(sluice_on, url, topic)
