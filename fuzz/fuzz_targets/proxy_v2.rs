//! Reads any bytes as a header of the PROXY protocol, whole and piece by piece.
#![no_main]

use doors::{ProxyHeader, ProxyHeaderRead};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let whole = ProxyHeader::read(bytes);
    let mut came = 0;
    let by_pieces = loop {
        match ProxyHeader::read(&bytes[..came]) {
            Ok(ProxyHeaderRead::Part { missing }) if came + missing <= bytes.len() => {
                came += missing;
            }
            read => break read,
        }
    };
    match (&whole, &by_pieces) {
        (Ok(ProxyHeaderRead::Whole { bytes: length, .. }), _) => {
            assert_eq!((by_pieces, came), (whole.clone(), *length));
        }
        (Ok(ProxyHeaderRead::Part { .. }), read) => {
            assert!(matches!(read, Ok(ProxyHeaderRead::Part { .. })));
        }
        (Err(_), read) => assert!(!matches!(read, Ok(ProxyHeaderRead::Whole { .. }))),
    }
});
