from homeport.mirror.policy.networks import parse_address, parse_network


def test_mapped_addresses_are_the_addresses_inside() -> None:
    assert str(parse_address("::ffff:10.1.2.3")) == "10.1.2.3"
    assert str(parse_network("::ffff:10.0.0.0/104")) == "10.0.0.0/8"
    assert str(parse_address("fe80::1%eth0")) == "fe80::1"
    assert parse_address("10.0.0.1:80") is None
    assert parse_address("") is None
