//! Replays the fuzzer's corpora.

use std::path::Path;

use mqtt::Version;

use super::stream::replay;

#[test]
fn the_corpora_are_read_without_a_panic() {
    for (version, name) in [(Version::V311, "mqtt_v311"), (Version::V5, "mqtt_v5")] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let entries: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(entries.len() >= 20, "the corpus is there");
        for path in entries {
            replay(version, &std::fs::read(path).unwrap());
        }
    }
}
