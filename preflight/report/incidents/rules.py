"""Every rule, the surest first: of several that explain a finding, the first does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from preflight.report.incidents import certificates, configuration, logins, network, services
from preflight.report.incidents.model import Link
from preflight.report.incidents.observations import Observations

if TYPE_CHECKING:
    Rule = Callable[[Observations], Iterator[Link]]

RULES: tuple[Rule, ...] = (
    configuration.broken_key,
    configuration.misspelled,
    network.no_network,
    network.name_server,
    network.host_down,
    network.zone,
    certificates.clock,
    certificates.suspect_clock,
    certificates.private_authority,
    logins.one_password,
    logins.shared_token,
    network.same_server,
    network.same_name,
    logins.one_key,
    services.needs,
)
