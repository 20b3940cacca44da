"""StackConfig and its errors."""

import pytest

from stack.config import ConfigurationError, StackConfig
from tests.wsp.hosts import make_config


def fault(**fields: object) -> str:
    """Returns the message of a configuration that must not be taken."""
    with pytest.raises(ConfigurationError) as caught:
        StackConfig(**{"address": "10.0.0.1", **fields})
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"address": "10.0.0.256"}, ["address", "10.0.0.256"]),
        ({"prefix": 33}, ["prefix", "33"]),
        ({"gateway": "10.1.0.1"}, ["gateway", "10.1.0.1", "10.0.0.0/24"]),
        ({"gateway": "10.0.0.1"}, ["gateway", "10.0.0.1"]),
        ({"mac": "01:00:00:00:00:01"}, ["mac", "01:00:00:00:00:01"]),
        ({"mac": "02:00:00"}, ["mac", "02:00:00", "six octets"]),
        ({"mtu": 60}, ["mtu", "60"]),
        ({"kind": "pipe"}, ["kind", "pipe"]),
        ({"seed": b"short"}, ["seed", "16"]),
        ({"backlog_min": 300}, ["backlog_min 300", "backlog_max 200"]),
        ({"ephemeral_low": 60000, "ephemeral_high": 50000}, ["ephemeral_low 60000", "ephemeral_high 50000"]),
        ({"max_descriptors": 0}, ["max_descriptors", "0"]),
        ({"colour": "red"}, ["colour"]),
        ({"tunables": {"colour": 1}}, ["colour"]),
        ({"tunables": {"ttl": 1}}, ["ttl"]),
        ({"mtu": "1500"}, ["mtu", "1500"]),
    ],
)
def test_unusable_field_is_named_with_its_value_in_one_line(fields: dict[str, object], words: list[str]) -> None:
    message = fault(**fields)
    for word in words:
        assert word in message


def test_address_is_required() -> None:
    with pytest.raises(ConfigurationError, match="address is missing"):
        StackConfig()


def test_configuration_cannot_be_changed() -> None:
    config = make_config("10.0.0.1")
    with pytest.raises(ValueError):
        config.mtu = 9000  # type: ignore[misc]


def test_gateway_is_the_other_first_host_by_default() -> None:
    assert make_config("10.77.0.2").next_hop == "10.77.0.1"
    assert make_config("10.77.0.1").next_hop == "10.77.0.2"
    assert make_config("10.77.0.2", gateway="10.77.0.9").next_hop == "10.77.0.9"


def test_named_fields_reach_the_core_in_nanoseconds() -> None:
    tunables = make_config("10.0.0.1", syn_rto_ms=250, ttl=7, tunables={"msl": 5}).core_tunables()
    assert tunables["syn_rto"] == 250_000_000
    assert tunables["ttl"] == 7
    assert tunables["msl"] == 5


def test_defaults_of_named_fields_are_those_of_the_core() -> None:
    from netcore.engine import tunable_names

    defaults = tunable_names()
    named = make_config("10.0.0.1").core_tunables()
    assert named == {name: defaults[name] for name in named}
