//! Replays the fuzzer's corpus, the same cut off and changed, and what is nested deep.

use std::path::Path;

use ferrite_shadow::offline::update;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/shadow_update");
    let files = std::fs::read_dir(folder).unwrap();
    let corpus: Vec<_> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(corpus.len() >= 6, "the corpus is there");
    corpus
}

#[test]
fn the_corpus_is_read_as_a_general_parser_reads_it_and_comes_back_as_it_was_written() {
    let accepted: u64 = corpus().iter().map(|input| update(input)).sum();
    assert!(accepted >= 20, "only {accepted} updates are accepted");
}

#[test]
fn what_is_cut_off_or_changed_does_no_harm() {
    for input in corpus() {
        for at in (0..input.len()).step_by(5) {
            update(&input[..at]);
            for byte in [b'"', b'{', b']', b',', b'\\', b'0', b'-', b'e', 0, 0xff] {
                let mut changed = input.clone();
                changed[at] = byte;
                update(&changed);
            }
        }
    }
}

#[test]
fn deep_and_wide_requests_are_bounded() {
    for levels in 120..=130 {
        let (open, close) = (r#"{"a":"#.repeat(levels), "}".repeat(levels));
        for inner in ["1", "{}", "[]", "null"] {
            update(format!(r#"{{"state":{{"desired":{open}{inner}{close}}}}}"#).as_bytes());
            update(format!("{open}{inner}{close}").as_bytes());
        }
    }
    update("[".repeat(100_000).as_bytes());
    let members: String = (0..2_000).map(|n| format!(r#""m{n}":{n},"#)).collect();
    let wide = format!(r#"{{"state":{{"desired":{{{members}"z":0}}}}}}"#);
    assert_eq!(update(wide.as_bytes()), 1);
}
