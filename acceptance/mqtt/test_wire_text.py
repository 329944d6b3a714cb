"""Text (1.5.3 of 3.1.1, 1.5.4 of 5) and numbers of variable length."""

import pytest

from clauses import clause
from mqtt_raw import PINGREQ, publish, subscribe, unsubscribe
from wire import deliver, hear

NO_TEXT = {
    "a byte that begins nothing": b"\x80",
    "the first byte of two": b"\xc3",
    "two bytes of three": b"\xe2\x82",
    "three bytes of four": b"\xf0\x9f\x92",
    "more bytes than it needs": b"\xc0\xaf",
    "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb2\xa9",
    "more than there is": b"\xf4\x90\x80\x80",
    "a null": b"\x00",
}


@clause(
    "3.1.1:MQTT-1.5.3-1", "3.1.1:MQTT-1.5.3-2", "5:MQTT-1.5.4-1", "5:MQTT-1.5.4-2"
)
@pytest.mark.parametrize("build", [publish, subscribe, unsubscribe])
@pytest.mark.parametrize("what", NO_TEXT)
def test_what_is_no_text_ends_the_connection(wire, build, what):
    client = wire.join()
    client.say(build, wire.topic.encode() + NO_TEXT[what])
    assert client.is_closed(0x81)


TEXTS = ["\ufeff", "a\ufeffb", "ü", "𠛔", "e\u0301", "\u00e9", "\u202e", "~", "\U0010fffd"]


@clause("3.1.1:MQTT-1.5.3-3", "5:MQTT-1.5.4-3", "3.1.1:MQTT-1.5.3-1", "5:MQTT-1.5.4-1")
@pytest.mark.parametrize("text", TEXTS)
def test_text_arrives_letter_by_letter(wire, text):
    client = wire.join()
    client.subscribe(text + wire.topic)
    publisher = wire.join()
    deliver(publisher, wire.topic, b"without")
    deliver(publisher, text + wire.topic, b"with")
    assert hear(client, 1) == [(text + wire.topic, b"with")]


@clause("5:MQTT-1.5.5-1")
@pytest.mark.parametrize("length", [b"\x80\x00", b"\x80\x80\x00"])
def test_a_length_has_as_few_bytes_as_can_be(wire, length):
    client = wire.join().send(bytes([PINGREQ << 4]) + length)
    assert client.is_closed(0x81)


@clause("3.1.1:MQTT-7.1.1-1", "5:MQTT-1.5.5-1")
@pytest.mark.parametrize("count", [0, 1, 100, 127, 128, 16_383, 16_384, 100_000])
def test_packets_of_any_length_arrive_whole(wire, count):
    client = wire.join()
    client.subscribe(wire.topic)
    payload = bytes(range(256)) * (count // 256) + bytes(count % 256)
    deliver(wire.join(), wire.topic, payload, 1)
    assert hear(client, 1) == [(wire.topic, payload)]
