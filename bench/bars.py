"""What `make bench ARGS=mqtt` measures, and how good Ferrite has to be: nothing but data.

256 B payload, clean sessions, under a policy. A share is of what `nullbroker` does with a second
of CPU in the same run; a multiple of mosquitto likewise.
"""

from dataclasses import dataclass

PER_CPU = "delivered_per_broker_cpu_s"
CONNECTS = "connects_per_broker_cpu_s"
MEMORY = "rss_bytes_per_connection"


@dataclass(frozen=True)
class Bar:
    """A figure that mqload reports, and its bound; without one it is for orientation.

    The bound is on Ferrite's figure over that of `of`: another broker, or `fdatasync`, the disk's
    own rate of it.
    """

    figure: str
    least: float | None = None
    most: float | None = None
    of: str | None = None
    unit: str = ""


@dataclass(frozen=True)
class Row:
    """One load, the brokers that bear it beside Ferrite, and its bars."""

    name: str
    load: str
    bars: tuple[Bar, ...]
    others: tuple[str, ...] = ()
    tls: bool = False


EVERYBODY = ("null", "mosquitto", "rumqttd")


def share(name, load, least, *more):
    return Row(name, load, (Bar(PER_CPU, least=least, of="null"), *more), EVERYBODY)


AHEAD = Bar(PER_CPU, least=1.1, of="mosquitto")

ROWS = (
    share("fanin q0", "fanin", 0.65),
    share("fanin q1", "fanin --qos 1", 0.60),
    share("pairs q0", "pairs", 0.33),
    share("pairs q1", "pairs --qos 1", 0.35),
    share("fanout q0", "fanout", 0.42),
    share("fanout q1", "fanout --qos 1", 0.41),
    share("unbatched pairs q0", "pairs --count 200 --window 1", 0.74, AHEAD),
    share("unbatched pairs q1", "pairs --count 200 --window 1 --qos 1", 0.74, AHEAD),
    Row(
        "pairs q1, mutual TLS",
        "pairs --qos 1",
        (Bar(PER_CPU, least=4, of="mosquitto"),),
        ("mosquitto",),
        tls=True,
    ),
    Row(
        "wild, 100k filters",
        "wild",
        (
            Bar(PER_CPU, least=2.5, of="mosquitto"),
            Bar("subscribe_per_broker_cpu_s", least=1e6),
            Bar("rss_bytes_per_filter", most=300, unit="B"),
        ),
        ("mosquitto",),
    ),
    Row(
        "latency, 5k msg/s q1",
        "latency --qos 1",
        (
            Bar("latency_p50_us", most=1.1, of="mosquitto", unit="µs"),
            Bar("latency_p99_us", most=1.1, of="mosquitto", unit="µs"),
        ),
        ("mosquitto",),
    ),
    Row(
        "connect, then idle",
        "connect --count 15000",
        (Bar(CONNECTS, least=50_000), Bar(MEMORY, most=1_500, unit="B")),
        ("mosquitto",),
    ),
    Row(
        "connect, then idle, mutual TLS 1.3 with P-256",
        "connect --count 4000",
        (Bar(CONNECTS, least=5_000), Bar(MEMORY, most=12_000, unit="B")),
        ("mosquitto",),
        tls=True,
    ),
    Row(
        "TLS connects one after the other",
        "connect --count 200 --concurrency 1 --hold 0",
        (Bar("connect_p50_us", most=40_000, unit="µs"),),
        ("mosquitto",),
        tls=True,
    ),
    Row(
        "durable: 64 publishers to offline sessions",
        "offline --qos 1",
        (
            Bar("acknowledged_per_s", least=40_000),
            Bar("acknowledged_per_s", least=8, of="fdatasync"),
            Bar("acknowledged_per_broker_cpu_s"),
            Bar("drained_per_s"),
        ),
    ),
)
