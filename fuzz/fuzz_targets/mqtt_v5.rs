//! Reads any bytes as a stream of MQTT 5, as a server and as a client.
#![no_main]

mod mqtt_stream;

libfuzzer_sys::fuzz_target!(|stream: &[u8]| {
    mqtt_stream::replay(mqtt::Version::V5, stream);
});
