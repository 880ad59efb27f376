"""Figures of the whole path: reader's socket to MQTT subscriber, the service a real process."""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bridge.domain.reads import NS_PER_S
from tests.bench.figures import Figure, median, quantile
from tests.bench.listener import listener
from tests.bench.reader import Load, Readers, readers
from tests.bench.service import ROOT, broker, environment, from_start, last_read, launch
from tests.bench.stage import Act, Plan, stage

_MB = 1 << 20
_REST_S = 6.0
_COMPRESSED = 25.0
_LINGER_MS = 50.0


def throughput(plan: Plan) -> list[Figure]:
    """(a) Reads and crossings as fast as they go, beside the floor."""
    reads = plan.size(60_000, 200_000)
    load = Load(reads=reads, speed=None, start_ns=from_start())
    alone = Load(reads=reads // 6, speed=None, start_ns=from_start(), per_crossing=1)
    bridge, floor, told = [], [], []
    for turn in range(3):
        plan.say(f"a: flat out, turn {turn + 1} of 3")
        with stage() as scene:
            bridge.append(reads / scene.play(load).seconds)
        floor.append(_floor(load))
        with stage() as scene:
            act = scene.play(alone)
            span_ns = act.messages[-1].at_ns - act.played.began_ns
            told.append(len(act.messages) / span_ns * NS_PER_S)
    return [
        Figure("a", "whole path, flat out", median(bridge), "reads/s"),
        Figure("a", "bare floor, flat out", median(floor), "reads/s"),
        Figure("a", "bridge / floor", median(bridge) / median(floor), ""),
        Figure("a", "crossings published, reads as fast", median(told), "messages/s", least=5_000),
    ]


def _floor(load: Load) -> float:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        port = stack.enter_context(broker(folder))
        bank = stack.enter_context(readers())
        audience = stack.enter_context(listener(port, "floor/crossing/+"))
        argv = [str(bank.ports[0]), str(port), str(folder / "floor.db"), str(load.reads)]
        with subprocess.Popen(
            [sys.executable, "-m", "tests.bench.floor", *argv], cwd=ROOT
        ) as floor:
            played = bank.play(load)
            assert floor.wait(120) == 0
        while audience.count() < load.reads // load.per_crossing:
            time.sleep(0.01)
        return load.reads / (audience.last_ns() - played.began_ns) * NS_PER_S


def busy(plan: Plan) -> list[Figure]:
    """(a) Ten thousand reads a second, live, by four readers."""
    load = Load(reads=10_000 * plan.size(5, 30), rate=10_000)
    shares = []
    for turn in range(3):
        plan.say(f"a: live 10,000 reads/s, turn {turn + 1} of 3")
        with stage(count=4) as scene:
            shares.append(scene.play(load).cpu_percent)
    return [Figure("a", "live 10,000 reads/s, nothing lost", median(shares), "% CPU", most=50)]


def latency(plan: Plan) -> list[Figure]:
    """(b), (g) From the wire to a subscriber, and what it costs: the middle one of three runs."""
    seconds = plan.size(8, 60)
    idle: list[float] = []
    single: list[Act] = []
    calm: list[Act] = []
    rush: list[Act] = []
    three: list[Act] = []
    for turn in range(3):
        plan.say(f"b, g: idle, single reads, 100 and 1,000 reads/s, turn {turn + 1} of 3")
        with stage() as scene:
            before = scene.service.usage()
            time.sleep(_REST_S)
            idle.append(scene.service.usage().cpu_share(before) * 100)
            single.append(scene.play(Load(reads=seconds * 2, rate=1.9, per_crossing=1)))
            calm.append(scene.play(Load(reads=100 * seconds, rate=100)))
            rush.append(scene.play(Load(reads=1_000 * seconds, rate=1_000)))
        plan.say(f"b: three readers at 1,000 reads/s each, turn {turn + 1} of 3")
        with stage(count=3) as scene:
            three.append(scene.play(Load(reads=3_000 * seconds, rate=3_000)))
    return [
        Figure("b", "single read, idle, p50", _middle(single, 0.5), "ms"),
        Figure("b", "single read, idle, p99", _middle(single, 0.99), "ms", most=6),
        Figure("b", "100 reads/s, p50", _middle(calm, 0.5), "ms"),
        Figure("b", "100 reads/s, p99", _middle(calm, 0.99), "ms"),
        Figure("b", "1,000 reads/s, p50", _middle(rush, 0.5), "ms"),
        Figure("b", "1,000 reads/s, p99", _middle(rush, 0.99), "ms", most=12),
        Figure("b", "3 readers, 1,000 reads/s each, p50", _middle(three, 0.5), "ms"),
        Figure(
            "b",
            "3 readers at 1,000 reads/s each: p99 read -> MQTT",
            _middle(three, 0.99),
            "ms",
            most=12,
        ),
        Figure("g", "idle, broker connected", median(idle), "% CPU", most=1),
        Figure("g", "100 reads/s", _share(calm), "% CPU", most=18),
        Figure("g", "1,000 reads/s", _share(rush), "% CPU"),
        Figure("g", "3 readers, 1,000 reads/s each", _share(three), "% CPU"),
    ]


def _share(acts: list[Act]) -> float:
    return median([act.cpu_percent for act in acts])


def _middle(acts: list[Act], share: float) -> float:
    return median([quantile(act.latencies_ms, share) for act in acts])


def device(plan: Plan) -> list[Figure]:
    """(g) Bytes the card takes for a read."""
    plan.say(f"g: bytes on the device, {_LINGER_MS:.0f} ms linger")
    load = Load(reads=100 * plan.size(20, 120), rate=100)
    with stage(linger_ms=_LINGER_MS) as scene:
        act = scene.play(load)
        spent = (scene.service.usage().written - act.before.written) / load.reads
    return [Figure("g", "device bytes per read at 100 reads/s", spent, "bytes", most=2_500)]


def endurance(plan: Plan) -> list[Figure]:
    """(c), (d) Memory over many reads, and how soon the box is back after a power cut."""
    reads, more = plan.size(250_000, 3_600_000), plan.size(125_000, 500_000)
    with stage() as scene:
        rest = scene.service.usage().rss
        plan.say(f"c: {reads:,} reads")
        scene.play(Load(reads=reads, speed=_COMPRESSED, start_ns=from_start()))
        grown = scene.service.usage().rss
        plan.say(f"c: {more:,} more")
        later = from_start() + int(reads / 500 * NS_PER_S)
        scene.play(Load(reads=more, speed=_COMPRESSED, start_ns=later))
        end = scene.service.usage().rss
        scene.service.kill()
        figures = [
            Figure("c", "RSS at rest", rest / _MB, "MiB"),
            Figure("c", f"RSS after {reads:,} reads", grown / _MB, "MiB", most=64),
            Figure("c", f"growth over {more:,} more", (end - grown) / _MB, "MiB", most=3),
        ]
        plan.say("d: restarts")
        return figures + _restarts(scene.folder, scene.config, scene.readers, reads + more)


def _restarts(folder: Path, config: Path, bank: Readers, reads: int) -> list[Figure]:
    imports = median([_imports() for _ in range(3)])
    connected, durable = [], []
    for _ in range(3):
        bank.greet()
        newest = last_read(folder)
        began = time.perf_counter_ns()
        service = launch(config)
        try:
            connected.append((bank.connected_ns() - began) / NS_PER_S)
            while last_read(folder) == newest:
                assert service.process.poll() is None, "the service ended"
                time.sleep(0.002)
            durable.append((time.perf_counter_ns() - began) / NS_PER_S)
            bank.hush()
        finally:
            service.kill()
    name = f"after SIGKILL with {reads:,} reads"
    return [
        Figure("d", f"{name}: exec -> connected", median(connected), "s"),
        Figure("d", f"{name}: of it after the imports", median(connected) - imports, "s", most=0.3),
        Figure("d", f"{name}: exec -> first durable", median(durable), "s", most=0.6),
    ]


def _imports() -> float:
    """Return how long the interpreter and what the readers need take to be there."""
    code = (
        "import bridge.cli.main, bridge.cli.run, bridge.adapters.logs, bridge.bootstrap.service;"
        "import bridge.adapters.system_clock, drivers; import os;"
        "os._exit(0)"
    )
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment())
    return time.perf_counter() - began
