//! Routes, binds and validates any bytes as a request.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gateway::offline::route_bind_validate(data);
});
