//! Reads any bytes as a segment of the journal, as recovery does.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    journal::check_segment(bytes);
});
