"""Files of reads that other software writes: CSV and its like, JSON Lines."""

from typing import Final

from bridge.domain.reads import Chip, StampForm
from bridge.driver_api import Driver, FileLink
from drivers.file import emulator, options, session

DRIVER: Final = Driver(
    name="file",
    title="file of reads (CSV, TSV, JSON Lines)",
    links=(FileLink(),),
    stamp_form=StampForm.UTC,
    resolution_ns=1_000,
    can_tell_time=False,
    # A file says nothing while nobody comes by.
    may_be_silent=True,
    session=session.FileSession,
    encode=emulator.encode,
    emulator=emulator.make,
    extra=session.extra,
    example_chip=lambda number: Chip(f"E2003412{number:016X}"),
    check_options=options.complaints,
    source="column names in exports of RFIDServer, RACE RESULT, Impinj, Zebra and timing programs",
)
