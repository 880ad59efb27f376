"""ChronoTrack: SimpleClient and its kin on 61611, controllers on 61610, files of controllers."""

from typing import Final

from bridge.driver_api import Chip, Driver, FileLink, ListenLink, StampForm
from drivers.chronotrack import emulator, options, outlet, records, session, stamps


def _example_chip(number: int) -> Chip:
    return Chip(str(number))


DRIVER: Final = Driver(
    name="chronotrack",
    title="ChronoTrack SimpleClient, StreamManager and controllers, which connect to us",
    links=(ListenLink(61_611), ListenLink(61_610), FileLink()),
    # Local time in either case: iso times carry no zone, and the controllers' "seconds since
    # 1970" count whatever clock the operator set.
    stamp_form=StampForm.NAIVE,
    resolution_ns=stamps.CENTISECOND_NS,
    can_tell_time=False,
    repairs=True,
    # SimpleClient is asked and answers; a controller knows no question that changes nothing, so
    # only its own PING shows that it lives.
    may_be_silent=True,
    session=session.ChronoTrackSession,
    encode=records.encode,
    emulator=emulator.make,
    extra=records.details,
    example_chip=_example_chip,
    check_options=options.complaints,
    forward=outlet.FORWARD,
    source=(
        "vendor quick start and programs published with racemap/2-racemap-forwarder, vendor "
        "knowledge base, rabbimaan/chronoserv; files of a race of 2021"
    ),
)
