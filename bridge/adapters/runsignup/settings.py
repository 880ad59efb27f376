"""What the RunSignup client is told, and how it proves who it is."""

from dataclasses import dataclass, field
from typing import Literal

from bridge.app.redact import Redactor
from bridge.errors import ConfigError

BASE_URL = "https://api.runsignup.com/rest"

Scheme = Literal["api_key", "api_v2", "super_partner"]

_QUERY_KEY: dict[Scheme, str] = {
    "api_key": "api_key",
    "api_v2": "rsu_api_key",
    "super_partner": "sp_api_key",
}
_SECRET_HEADER = "X-RSU-API-SECRET"  # noqa: S105 - the name of a header
_REGISTRATION_HEADER = "X-RSU-API-REG-SECRET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Keys of the account and, beside them, of this program. Never shown in a repr.

    Raises:
        ConfigError: Only one half of the caller registration is given: every call would fail.
    """

    scheme: Scheme
    key: str = field(repr=False)
    secret: str = field(repr=False)
    registration_id: str | None = field(default=None, repr=False)
    """Caller registration (``<id>.<token>``): identifies the program, authenticates nothing."""
    registration_secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if bool(self.registration_id) != bool(self.registration_secret):
            raise ConfigError(
                "RunSignup's caller registration has two halves: give provider_registration_id "
                "and provider_registration_secret, or neither"
            )

    def query(self) -> dict[str, str]:
        """Return the parameters that go with every call."""
        query = {_QUERY_KEY[self.scheme]: self.key}
        if self.scheme == "api_key":
            query["api_secret"] = self.secret
        if self.registration_id:
            query["rsu_api_reg"] = self.registration_id
        return query

    def headers(self) -> dict[str, str]:
        """Return the headers that go with every call."""
        headers = {} if self.scheme == "api_key" else {_SECRET_HEADER: self.secret}
        if self.registration_secret:
            headers[_REGISTRATION_HEADER] = self.registration_secret
        return headers

    def scrub(self, text: str) -> str:
        """Return `text` with every part of the credentials made unreadable."""
        parts = (self.key, self.secret, self.registration_id, self.registration_secret)
        return Redactor(part for part in parts if part).text(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSignupSettings:
    """One race at RunSignup."""

    race_id: int
    credentials: Credentials
    base_url: str = BASE_URL
    page_rows: int = 1000
    """Participants per page; the service allows 2,500, but a Pi parses a page at one go."""
    timeout_s: float = 30.0
    """Longest silence while a reply is awaited."""
    connect_timeout_s: float = 10.0
