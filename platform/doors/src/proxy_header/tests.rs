//! Headers by example, and any bytes.

use proptest::prelude::*;

use super::*;

/// A header with this command, family and body.
fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, body].concat()
}

/// What bytes are that begin with a whole header.
fn whole(header: ProxyHeader, bytes: usize) -> ProxyHeaderRead {
    ProxyHeaderRead::Whole { header, bytes }
}

const V4: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 1, 0xc3, 0x50, 0x22, 0xb3];

fn v4() -> ProxyHeader {
    ProxyHeader::Client {
        source: "192.0.2.1:50000".parse().unwrap(),
        destination: "10.0.0.1:8883".parse().unwrap(),
    }
}

#[test]
fn headers_are_read_as_the_protocol_has_them() {
    let check = |bytes: &[u8], (header, length): (ProxyHeader, usize)| {
        assert_eq!(ProxyHeader::read(bytes), Ok(whole(header, length)), "{bytes:02x?}");
    };
    check(&header(0x21, 0x11, &V4), (v4(), 28));
    let with_more = [&V4[..], &[0x04, 0, 1, 0]].concat();
    check(&header(0x21, 0x11, &with_more), (v4(), 32));
    let before_tls = [&header(0x21, 0x11, &V4)[..], &[0x16, 3, 1]].concat();
    check(&before_tls, (v4(), 28));

    let address = |last: u8| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let v6 = [&address(1)[..], &address(2), &[0xc3, 0x50, 0x22, 0xb3]].concat();
    let client = ProxyHeader::Client {
        source: "[2001:db8::1]:50000".parse().unwrap(),
        destination: "[2001:db8::2]:8883".parse().unwrap(),
    };
    check(&header(0x21, 0x21, &v6), (client, 52));

    let mapped = |last: u8| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last];
    let body = [&mapped(1)[..], &mapped(2), &[0, 1, 0, 2]].concat();
    let client = ProxyHeader::Client {
        source: "192.0.2.1:1".parse().unwrap(),
        destination: "192.0.2.2:2".parse().unwrap(),
    };
    check(&header(0x21, 0x21, &body), (client, 52));
}

#[test]
fn the_load_balancers_own_connections_say_nothing_of_clients() {
    let own = |command, family, body: &[u8]| {
        let read = ProxyHeader::read(&header(command, family, body));
        assert_eq!(read, Ok(whole(ProxyHeader::Own, 16 + body.len())), "{family:02x}");
    };
    own(0x20, 0x00, &[]);
    own(0x20, 0x11, &V4);
    own(0x20, 0x11, &[]);
    own(0x21, 0x00, &[1, 2, 3]);
    own(0x21, 0x12, &V4);
    own(0x21, 0x31, &[0; 216]);
}

#[test]
fn what_is_no_header_is_named() {
    let check = |bytes: &[u8], part: &str| {
        let error = ProxyHeader::read(bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check(&[0x16, 3, 1], "sent none");
    check(b"\r\n\r\nGET", "sent none");
    check(b"GET / HTTP/1.1\r\n", "sent none");
    check(b"PROXY TCP4 192.0.2.1", "version 1");
    check(&header(0x11, 0x11, &V4), "version: 0x11");
    check(&header(0x22, 0x11, &V4), "command: 0x22");
    check(&header(0x21, 0x41, &V4), "address family: 0x41");
    check(&header(0x21, 0x13, &V4), "address family: 0x13");
    check(&header(0x21, 0x11, &V4[..11]), "ends within its addresses, after 27 bytes");
    check(&header(0x21, 0x21, &V4), "ends within its addresses, after 28 bytes");
    check(&header(0x21, 0x11, &[0; 4081]), "of 4097 bytes, at most 4096");
    // What is too long is seen before it has come.
    check(&header(0x21, 0x11, &[0; 65_535])[..16], "of 65551 bytes");
}

#[test]
fn the_longest_header_is_read() {
    let body = [&V4[..], &[0; 4068]].concat();
    assert_eq!(ProxyHeader::read(&header(0x21, 0x11, &body)), Ok(whole(v4(), 4096)));
}

proptest! {
    #[test]
    fn a_header_is_the_same_wherever_it_was_cut(
        command in 0x20u8..=0x21,
        family in prop::sample::select(vec![0x00u8, 0x11, 0x12, 0x21, 0x22, 0x31]),
        body in prop::collection::vec(any::<u8>(), 36..300),
        after in prop::collection::vec(any::<u8>(), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let all = header(command, family, &body);
        let Ok(ProxyHeaderRead::Whole { header, bytes }) = ProxyHeader::read(&all) else {
            return Err(TestCaseError::fail("not read"));
        };
        prop_assert_eq!(bytes, all.len());
        let cut = cut.index(all.len());
        let Ok(ProxyHeaderRead::Part { missing }) = ProxyHeader::read(&all[..cut]) else {
            return Err(TestCaseError::fail("half a header is none"));
        };
        prop_assert_eq!(missing, if cut < 16 { 16 } else { all.len() } - cut);
        let longer = [&all[..], &after].concat();
        prop_assert_eq!(ProxyHeader::read(&longer), Ok(whole(header, all.len())));
    }

    #[test]
    fn any_bytes_are_read_to_an_end(
        is_signed in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..5000),
    ) {
        let bytes = if is_signed { [&SIGNATURE[..], &bytes].concat() } else { bytes };
        match ProxyHeader::read(&bytes) {
            Ok(ProxyHeaderRead::Whole { bytes: length, .. }) => {
                prop_assert!(length <= bytes.len().min(HEADER_BYTES_MAX));
            }
            Ok(ProxyHeaderRead::Part { missing }) => {
                prop_assert!(missing > 0 && bytes.len() + missing <= HEADER_BYTES_MAX);
            }
            Err(_) => {}
        }
    }
}
