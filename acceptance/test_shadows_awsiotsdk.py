"""Shadows by awsiotsdk's shadow clients, old and new, over both versions of MQTT."""

import queue
import threading

import awsiot
import pytest
from awscrt import mqtt, mqtt5, mqtt_request_response
from awsiot import iotshadow, mqtt5_client_builder, mqtt_connection_builder

from device import everything_on

WITHIN_S = 15


@pytest.fixture
def device(make, name):
    return make(*everything_on(f"$aws/things/{name}/shadow/*"))


def files(device):
    return {
        "endpoint": "localhost",
        "port": device.server.mqtts_port,
        "cert_filepath": device.certificate,
        "pri_key_filepath": device.key,
        "ca_filepath": device.root_ca,
        "client_id": device.name,
    }


@pytest.fixture
def connection(device):
    """MQTT 3.1.1."""
    connection = mqtt_connection_builder.mtls_from_path(**files(device), clean_session=True)
    connection.connect().result(WITHIN_S)
    yield connection
    connection.disconnect().result(WITHIN_S)


@pytest.fixture
def client5(device):
    """MQTT 5."""
    is_up, is_down = threading.Event(), threading.Event()
    client = mqtt5_client_builder.mtls_from_path(
        **files(device),
        on_lifecycle_connection_success=lambda _: is_up.set(),
        on_lifecycle_stopped=lambda _: is_down.set(),
    )
    client.start()
    assert is_up.wait(WITHIN_S)
    yield client
    client.stop()
    assert is_down.wait(WITHIN_S)


def options():
    return mqtt_request_response.ClientOptions(2, 6, 10)


@pytest.fixture(params=["3.1.1", "5"])
def shadows(request):
    """The new client, which answers each request by a future."""
    fixture = {"3.1.1": "connection", "5": "client5"}[request.param]
    return iotshadow.IotShadowClientV2(request.getfixturevalue(fixture), options())


class Stream:
    """What a stream of events brings."""

    def __init__(self, make, request):
        self.events, self.is_there = queue.Queue(), threading.Event()
        self.operation = make(
            request,
            awsiot.ServiceStreamOptions(
                incoming_event_listener=self.events.put,
                subscription_status_listener=lambda _: self.is_there.set(),
            ),
        )
        self.operation.open()
        assert self.is_there.wait(WITHIN_S)

    def next(self):
        return self.events.get(timeout=WITHIN_S)


def test_the_new_client_uses_a_classic_shadow(shadows, name):
    deltas = Stream(
        shadows.create_shadow_delta_updated_stream,
        iotshadow.ShadowDeltaUpdatedSubscriptionRequest(thing_name=name),
    )
    updates = Stream(
        shadows.create_shadow_updated_stream,
        iotshadow.ShadowUpdatedSubscriptionRequest(thing_name=name),
    )
    get = iotshadow.GetShadowRequest(thing_name=name)
    with pytest.raises(awsiot.V2ServiceException) as caught:
        shadows.get_shadow(get).result(WITHIN_S)
    assert caught.value.modeled_error.code == 404
    assert caught.value.modeled_error.message == f"No shadow exists with name: '{name}'"

    state = iotshadow.ShadowState(desired={"on": True}, reported={"on": False})
    update = iotshadow.UpdateShadowRequest(thing_name=name, state=state)
    accepted = shadows.update_shadow(update).result(WITHIN_S)
    assert (accepted.version, accepted.state.desired) == (1, {"on": True})
    assert deltas.next().state == {"on": True}
    told = updates.next()
    assert told.current.state.reported == {"on": False} and told.previous is None

    update = iotshadow.UpdateShadowRequest(thing_name=name, state=state, version=7)
    with pytest.raises(awsiot.V2ServiceException) as caught:
        shadows.update_shadow(update).result(WITHIN_S)
    assert caught.value.modeled_error.code == 409

    shadow = shadows.get_shadow(get).result(WITHIN_S)
    assert (shadow.version, shadow.state.delta) == (1, {"on": True})
    deleted = shadows.delete_shadow(iotshadow.DeleteShadowRequest(thing_name=name))
    assert deleted.result(WITHIN_S).version == 1


def test_the_new_client_uses_a_shadow_by_name(shadows, name):
    named = {"thing_name": name, "shadow_name": "net"}
    deltas = Stream(
        shadows.create_named_shadow_delta_updated_stream,
        iotshadow.NamedShadowDeltaUpdatedSubscriptionRequest(**named),
    )
    updates = Stream(
        shadows.create_named_shadow_updated_stream,
        iotshadow.NamedShadowUpdatedSubscriptionRequest(**named),
    )
    state = iotshadow.ShadowState(desired={"channel": 6})
    request = iotshadow.UpdateNamedShadowRequest(**named, state=state)
    assert shadows.update_named_shadow(request).result(WITHIN_S).version == 1
    assert deltas.next().state == {"channel": 6}
    updates.next()
    state = iotshadow.ShadowState(reported={"channel": 6})
    request = iotshadow.UpdateNamedShadowRequest(**named, state=state)
    assert shadows.update_named_shadow(request).result(WITHIN_S).version == 2
    assert updates.next().previous.state.desired == {"channel": 6}
    shadow = shadows.get_named_shadow(iotshadow.GetNamedShadowRequest(**named)).result(WITHIN_S)
    assert shadow.state.delta is None and shadow.state.reported == {"channel": 6}
    deleted = shadows.delete_named_shadow(iotshadow.DeleteNamedShadowRequest(**named))
    assert deleted.result(WITHIN_S).version == 2


def test_the_old_client_uses_a_classic_shadow(connection, name):
    client, heard = iotshadow.IotShadowClient(connection), queue.Queue()

    def hear(subscribe, request):
        subscribed, _ = subscribe(request, mqtt.QoS.AT_LEAST_ONCE, heard.put)
        subscribed.result(WITHIN_S)

    update = iotshadow.UpdateShadowSubscriptionRequest(thing_name=name)
    hear(client.subscribe_to_update_shadow_accepted, update)
    hear(client.subscribe_to_update_shadow_rejected, update)
    delta = iotshadow.ShadowDeltaUpdatedSubscriptionRequest(thing_name=name)
    hear(client.subscribe_to_shadow_delta_updated_events, delta)

    def publish(version=None):
        state = iotshadow.ShadowState(desired={"on": True})
        request = iotshadow.UpdateShadowRequest(
            client_token="c", thing_name=name, state=state, version=version
        )
        client.publish_update_shadow(request, mqtt.QoS.AT_LEAST_ONCE).result(WITHIN_S)

    publish()
    told = {type(message): message for message in (heard.get(timeout=WITHIN_S) for _ in "12")}
    assert told[iotshadow.UpdateShadowResponse].client_token == "c"
    assert told[iotshadow.ShadowDeltaUpdatedEvent].state == {"on": True}
    publish(version=9)
    error = heard.get(timeout=WITHIN_S)
    assert (error.code, error.message, error.client_token) == (409, "Version conflict", "c")
