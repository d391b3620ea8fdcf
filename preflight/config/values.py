"""The values of a configuration, each read as the type that its key has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from preflight.config.schema.keys import SAME_ORIGIN
from preflight.config.urls import Url, parse
from preflight.config.web_hosts import BadUrl


class Values(Mapping[str, object]):
    """Key path → value, as Mistle sees it. The repr shows no value, because some are secrets."""

    def __init__(self, values: Mapping[str, object] | None = None) -> None:
        self._values = dict(values or {})
        self._urls: dict[str, Url] = {}

    def __getitem__(self, path: str) -> object:
        return self._values[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def production(self) -> bool:
        """Whether the configuration is for a production environment."""
        return self.get("global.env") == "production"

    def text(self, path: str) -> str:
        """A string; "" if the key is not set."""
        return str(self.get(path, ""))

    def integer(self, path: str) -> int:
        """A whole number. Raises KeyError if the key is not set, TypeError if its value is no number."""
        value = self[path]
        if not isinstance(value, int):
            raise TypeError(f"{path} is not a whole number")
        return value

    def boolean(self, path: str) -> bool:
        """A boolean; False if the key is not set."""
        return self.get(path) is True

    def texts(self, path: str) -> tuple[str, ...]:
        """A list of strings; empty if the key is not set."""
        value = self.get(path)
        return tuple(map(str, value)) if isinstance(value, tuple | list) else ()

    def url(self, path: str) -> Url:
        """A URL, parsed once. Raises BadUrl if the key is not set, or its value is malformed."""
        if path not in self._urls:
            self._urls[path] = parse(self.text(path))
        return self._urls[path]

    def dashboard_api(self) -> Url | None:
        """A URL whose origin the dashboard's pages call: perhaps their own. None if it is not set, or malformed."""
        key = "services.dashboard.control_plane_api_origin"
        is_own = self.get(key) == SAME_ORIGIN
        return self.url_or_none("services.dashboard.public_url" if is_own else key)

    def url_or_none(self, path: str) -> Url | None:
        """A URL; None if the key is not set, or its value is malformed."""
        try:
            return self.url(path)
        except BadUrl:
            return None
