"""Who may come in under a configuration: the keys and the hosts that it names."""

from __future__ import annotations

from llms.config.model import Config
from llms.policies.keys import Keys
from llms.server.hosts import Hosts, is_loopback


def keys_required(config: Config) -> bool:
    """Tell whether callers need a key: as configured; `auto` is off on loopback as long as there is no key."""
    required = config.keys.required
    return (bool(config.keys.static) or not is_loopback(config.server.host)) if required == "auto" else required


def keys_of(config: Config) -> Keys:
    """Return the keys that open the door."""
    return Keys([key.get_secret_value() for key in config.keys.static], required=keys_required(config))


def hosts_of(config: Config) -> Hosts:
    """Return the addresses under which the server may be called."""
    return Hosts(bound=config.server.host, allowed=config.server.allowed_hosts, origins=config.server.cors_origins)
