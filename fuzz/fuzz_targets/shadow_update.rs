//! Updates a shadow by any bytes, line by line.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    shadow::offline::update(data);
});
