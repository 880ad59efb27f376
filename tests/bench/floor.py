"""The least that could do: socket -> batched SQLite commits -> one MQTT message per ten reads.

No decoding, no check, no clock, no crossing, no result: what is left when the bridge is taken out
of the path. Arguments: port of the reader, port of the broker, file, number of reads.
"""

import asyncio
import sqlite3
import sys

import aiomqtt

BATCH = 500
WINDOW = 20


def insert(base: sqlite3.Connection, lines: list[bytes]) -> None:
    base.executemany("INSERT INTO reads(raw) VALUES(?)", [(line,) for line in lines])
    base.commit()


async def run(reader_port: int, broker_port: int, path: str, reads: int) -> None:
    base = sqlite3.connect(path, check_same_thread=False)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = FULL")
    base.execute("CREATE TABLE reads(id INTEGER PRIMARY KEY, raw BLOB)")
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(20_000)
    async with aiomqtt.Client("127.0.0.1", broker_port) as client, asyncio.TaskGroup() as group:
        client.pending_calls_threshold = WINDOW

        async def publish() -> None:
            while (line := await queue.get()) is not None:
                payload = b'{"chip": "%s", "raw": "%s"}' % (line[4:16], line[:36])
                await client.publish("floor/crossing/finish", payload, qos=1)

        senders = [group.create_task(publish()) for _ in range(WINDOW)]
        stream, _ = await asyncio.open_connection("127.0.0.1", reader_port)
        done, lines = 0, [await stream.readline()]
        while done < reads:
            while len(lines) < min(BATCH, reads - done):
                lines.append(await stream.readline())
            await asyncio.to_thread(insert, base, lines)
            for line in lines[::10]:
                await queue.put(line)
            done, lines = done + len(lines), []
        for _ in senders:
            await queue.put(None)
    base.close()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
