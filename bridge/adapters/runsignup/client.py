"""RunSignup as the provider of participants and the destination of results."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import structlog

from bridge.adapters.runsignup import rows
from bridge.adapters.runsignup.http import RunSignupHttp
from bridge.adapters.runsignup.replies import Json, failure
from bridge.adapters.runsignup.settings import Credentials, RunSignupSettings
from bridge.app.ports import Clock, ParticipantPage, Removal, ResultSet, SplitDef
from bridge.domain.rules import EventId
from bridge.errors import Refused, TryLater

log = structlog.get_logger(__name__)


class RunSignup:
    """Implements `ports.ResultsProvider` for one race."""

    def __init__(
        self,
        settings: RunSignupSettings,
        clock: Clock,
        renew: Callable[[], Credentials] | None = None,
    ) -> None:
        """Prepare; nothing is sent before the first call.

        `renew` is asked for credentials once when the service refuses ours: an operator may have
        replaced their files.
        """
        self._page_rows = settings.page_rows
        self._http = RunSignupHttp(settings, clock, renew)
        if settings.credentials.registration_id is None:
            log.warning(
                "RunSignup will ask for a caller registration from 2027-01-01: "
                "register this program and set provider_registration_id and _secret"
            )

    async def participants(
        self, event_ids: Sequence[EventId], *, modified_after: int | None
    ) -> AsyncIterator[ParticipantPage]:
        """Page through participants in order of registration.

        A delta of several events is asked for in one call. How the service counts a page over
        several events is not documented, so a full one is asked for again event by event.
        """
        if modified_after is not None and len(event_ids) > 1:
            page = await self._page(event_ids, 0, modified_after)
            if len(page) < self._page_rows:
                yield rows.page_of(page)
                return
        for event_id in event_ids:
            after, full = 0, True
            while full:
                page = await self._page([event_id], after, modified_after)
                full = len(page) >= self._page_rows
                highest = max((rows.registration_id(row) or 0 for _, row in page), default=0)
                if full and highest <= after:
                    raise TryLater("RunSignup sends the same participants over and over")
                after = highest
                yield rows.page_of(page)

    async def removed(
        self, event_ids: Sequence[EventId], *, modified_after: int | None
    ) -> AsyncIterator[Removal]:
        """Page through registrations that are no more, oldest number first."""
        if not event_ids:
            return
        page_number, size = 1, 0
        while page_number == 1 or size >= self._page_rows:
            document = await self._http.get(
                "/removed-participants",
                {
                    "event_id": _listed(event_ids),
                    "page": page_number,
                    "results_per_page": self._page_rows,
                    "sort": "registration_id ASC",
                    "modified_after_timestamp": modified_after,
                },
            )
            found = list(rows.removed(document))
            page_number, size = page_number + 1, len(found)
            for event_id, row in found:
                if (removal := rows.removal_of(event_id, row)) is not None:
                    yield removal

    async def race_zone(self) -> str | None:
        """Return the race's IANA zone, or None if the service does not say."""
        document = await self._http.get("", {"most_recent_events_only": "T"})
        race = document.get("race") if isinstance(document, dict) else None
        return (rows.text(race.get("timezone")) or None) if isinstance(race, dict) else None

    async def result_sets(self, event_id: EventId) -> list[ResultSet]:
        """Return the result sets of an event."""
        document = await self._http.get("/results/get-result-sets", {"event_id": event_id})
        return rows.result_sets(document)

    async def create_result_set(self, event_id: EventId, name: str) -> int:
        """Create a public, preliminary set. Not idempotent: list first.

        Notifications stay off: a text message sent to a runner's family can not be taken back,
        while an operator can switch them on at the service at any time.
        """
        request = {
            "individual_result_set_name": name,
            "public_results": "T",
            "preliminary_results": "T",
            "disable_notifications": "T",
        }
        document = await self._http.post("/results/new-result-set", {"event_id": event_id}, request)
        found = document.get("individual_result_set_id") if isinstance(document, dict) else None
        number = rows.integer(found)
        if number is None:
            raise TryLater("RunSignup did not say the id of the new result set")
        return number

    async def splits(self, event_id: EventId, set_id: int) -> list[SplitDef]:
        """Return the split definitions of a set, in display order."""
        query = {"event_id": event_id, "individual_result_set_id": set_id}
        return rows.splits(await self._http.get("/results/result-set-splits", query))

    async def write_splits(
        self, event_id: EventId, set_id: int, splits: Sequence[SplitDef]
    ) -> list[SplitDef]:
        """Replace the list; a split whose id is not in it is deleted with its times."""
        query = {"event_id": event_id, "individual_result_set_id": set_id}
        request = {"result_set_splits": [rows.split_row(split) for split in splits]}
        return rows.splits(await self._http.post("/results/result-set-splits", query, request))

    async def post(
        self, event_id: EventId, set_id: int, rows: Sequence[Mapping[str, object]]
    ) -> None:
        """Post result rows keyed by registration; returns only if all were accepted."""
        query = {"event_id": event_id, "individual_result_set_id": set_id}
        document = await self._http.post("/results/full-results", query, {"results": list(rows)})
        for row in _result_rows(document):
            if (found := failure(row)) is not None:
                code, words = found
                raise Refused(f"RunSignup: {words}", code=code)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def _page(
        self, event_ids: Sequence[EventId], after: int, modified_after: int | None
    ) -> list[tuple[EventId | None, Json]]:
        """Return the rows of one page: registrations numbered higher than `after`."""
        query = {
            "event_id": _listed(event_ids),
            "results_per_page": self._page_rows,
            "sort": "registration_id ASC",
            "after_registration_id": after,
            "modified_after_timestamp": modified_after,
            "include_corrals": "T",
            "supports_nb": "T",
        }
        return list(rows.participants(await self._http.get("/participants", query)))


def _listed(event_ids: Sequence[EventId]) -> str:
    return ",".join(str(event_id) for event_id in event_ids)


def _result_rows(document: Json) -> list[Json]:
    found = document.get("results") if isinstance(document, dict) else None
    return found if isinstance(found, list) else []
