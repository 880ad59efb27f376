"""A box in a process of its own, to be killed: ``python -m tests.support.mqtt_child URL``."""

import asyncio
import sys

from tests.support.mqtt_site import Site

if __name__ == "__main__":
    asyncio.run(Site(sys.argv[1], "mat-x").link.run())
