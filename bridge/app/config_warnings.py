"""What is allowed in a configuration, yet may not be meant: for `check`."""

from collections.abc import Iterator

from bridge.app.config import Config
from bridge.app.sources import all_places


def warnings_of(config: Config) -> Iterator[str]:
    """Yield one sentence per thing to look at before the race; none of them stops the bridge."""
    served = {place.location for place in all_places(config)}
    course = {point.location for event in config.event for point in event.course}
    for location in sorted(course - served):
        yield (
            f"No reader of this box is at {location!r}, which is on a course: "
            "right if another box serves it."
        )
    for reader in all_places(config):
        if course and reader.location not in course:
            yield (
                f"Reader {reader.name!r} is at {reader.location!r}, which is on no course: "
                "its reads are shown, but make no times."
            )
    if not config.reader:
        yield "There is no [[reader]]: this box will read no chips."
    if not config.event:
        yield "There is no [[event]]: chips are recorded, but there are no results."
    asked = config.provider is not None and config.provider.kind == "runsignup"
    naive = any(reader.timezone is None for reader in config.reader)
    if config.bridge.timezone is None and not asked and naive:
        yield "bridge.timezone is not set: readers that tell local time are taken to tell UTC."
    if asked and config.provider is not None and not config.provider.post:
        yield "provider.post is false: nothing is posted to RunSignup."
