//! Whatever bytes come, routing, binding and validating end without a panic.

use std::path::Path;

use ferrite_gateway::offline::route_bind_validate;
use proptest::prelude::*;

#[test]
fn the_fuzzers_corpus_does_no_harm() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/engine");
    let mut accepted = 0;
    let mut files = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        accepted += u32::from(route_bind_validate(&bytes).is_some());
    }
    assert!(files >= 8, "only {files} files in {}", corpus.display());
    assert!(accepted >= 2, "the corpus has requests that an operation would take");
}

#[test]
fn json_a_thousand_deep_is_refused() {
    let mut data = b"\0POST /things/a\n\n".to_vec();
    data.extend(std::iter::repeat_n(b"{\"attributePayload\":".as_slice(), 1000).flatten());
    assert!(route_bind_validate(&data).is_none());
}

proptest! {
    #[test]
    fn any_body_is_refused_or_taken(
        service in 0_u8..10,
        method in "GET|POST|PUT|PATCH|DELETE",
        path in "(/(things|policies|jobs|topics|[a-z%0-9]{0,6})){1,4}",
        query in "([a-zA-Z]{1,8}=[^ \n#]{0,6}&){0,3}",
        body in "\\PC{0,64}",
    ) {
        let mut data = vec![service];
        data.extend(format!("{method} {path}?{query}\n\n{body}").into_bytes());
        route_bind_validate(&data);
    }

    #[test]
    fn any_bytes_do_no_harm(data in proptest::collection::vec(any::<u8>(), 0..256)) {
        route_bind_validate(&data);
    }
}
