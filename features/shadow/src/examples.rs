//! Worked examples: updates one after the other, and every message to the letter.

use service::Limits;

use crate::messages::{self, Version};
use crate::request::Update;
use crate::store::{self, Record};

/// Times of updates, and of a request to get.
const T1: i64 = 1_700_000_001;
const T2: i64 = 1_700_000_002;
const T3: i64 = 1_700_000_003;
const NOW: i64 = 1_700_000_009;

/// A shadow as its record has it.
#[derive(Default)]
struct Shadow {
    record: Option<String>,
}

/// What is told of one update.
struct Told {
    accepted: String,
    delta: Option<String>,
    documents: String,
}

impl Shadow {
    fn update(&mut self, request: &str, now: i64) -> Told {
        let update = Update::read(request.as_bytes(), now, &Limits::default());
        let update = update.unwrap_or_else(|refusal| panic!("{}", refusal.message));
        let kept = self.record.take();
        let before = kept.as_deref().map(record);
        let mut document =
            before.as_ref().map(|before| before.document().unwrap()).unwrap_or_default();
        document.apply(&update.patch);
        let version = before.as_ref().map_or(0, |before| before.version) + 1;
        let after = Version { document, version, timestamp: now };
        let (text, _) = store::text(&after.document, version, now);
        assert_eq!(record(&text).document().unwrap(), after.document, "read as it was written");
        let token = update.client_token.as_deref();
        let told = Told {
            accepted: messages::accepted(&update, &after),
            delta: messages::delta(&after, token),
            documents: messages::documents(before.as_ref(), &after, token),
        };
        self.record = Some(text);
        told
    }

    fn get(&self) -> String {
        messages::shadow(&record(self.record.as_deref().unwrap()), NOW, None).unwrap()
    }

    /// The state alone, as a client gets it.
    fn state(&self) -> String {
        let got = self.get();
        let (state, _) = got.split_once(r#","metadata":"#).unwrap();
        state.strip_prefix(r#"{"state":"#).unwrap().to_owned()
    }
}

fn record(text: &str) -> Record<'_> {
    serde_json::from_str(text).unwrap()
}

/// `text` with times in it, without the line breaks that make it readable.
fn timed(text: &str) -> String {
    let mut timed: String = text.split('\n').map(str::trim_start).collect();
    for (name, time) in [("T1", T1), ("T2", T2), ("T3", T3), ("NOW", NOW)] {
        timed = timed.replace(name, &time.to_string());
    }
    timed
}

const CREATE: &str =
    r#"{"state":{"desired":{"color":{"r":255,"g":0},"on":true,"seq":[1,2]}},"clientToken":"a"}"#;
const REPORT: &str = r#"{"state":{"reported":{"color":{"r":255,"g":9},"seq":[1],"fw":"1.0"}}}"#;
const REMOVE: &str = r#"{"state":{"desired":{"color":{"r":null,"g":null},"on":null,"seq":null}}}"#;

#[test]
fn a_shadow_is_made_by_what_is_desired() {
    let told = Shadow::default().update(CREATE, T1);
    let metadata = r#"{"color":{"g":{"timestamp":T1},"r":{"timestamp":T1}},
        "on":{"timestamp":T1},"seq":[{"timestamp":T1},{"timestamp":T1}]}"#;
    let state = r#"{"color":{"g":0,"r":255},"on":true,"seq":[1,2]}"#;
    let accepted = format!(
        r#"{{"state":{{"desired":{state}}},"metadata":{{"desired":{metadata}}},
        "version":1,"timestamp":T1,"clientToken":"a"}}"#
    );
    assert_eq!(told.accepted, timed(&accepted));
    let delta = format!(
        r#"{{"state":{state},"metadata":{metadata},"version":1,"timestamp":T1,"clientToken":"a"}}"#
    );
    assert_eq!(told.delta, Some(timed(&delta)));
    let documents = format!(
        r#"{{"previous":null,"current":{{"state":{{"desired":{state}}},
        "metadata":{{"desired":{metadata}}},"version":1}},"timestamp":T1,"clientToken":"a"}}"#
    );
    assert_eq!(told.documents, timed(&documents));
}

#[test]
fn a_report_leaves_what_still_differs_with_the_times_of_what_is_desired() {
    let mut shadow = Shadow::default();
    shadow.update(CREATE, T1);
    let told = shadow.update(REPORT, T2);
    let accepted = r#"{"state":{"reported":{"color":{"g":9,"r":255},"fw":"1.0","seq":[1]}},
        "metadata":{"reported":{"color":{"g":{"timestamp":T2},"r":{"timestamp":T2}},
        "fw":{"timestamp":T2},"seq":[{"timestamp":T2}]}},"version":2,"timestamp":T2}"#;
    assert_eq!(told.accepted, timed(accepted));
    let delta = r#"{"state":{"color":{"g":0},"on":true,"seq":[1,2]},
        "metadata":{"color":{"g":{"timestamp":T1}},"on":{"timestamp":T1},
        "seq":[{"timestamp":T1},{"timestamp":T1}]},"version":2,"timestamp":T2}"#;
    assert_eq!(told.delta, Some(timed(delta)));
    let got = r#"{"state":{"desired":{"color":{"g":0,"r":255},"on":true,"seq":[1,2]},
        "reported":{"color":{"g":9,"r":255},"fw":"1.0","seq":[1]},
        "delta":{"color":{"g":0},"on":true,"seq":[1,2]}},
        "metadata":{"desired":{"color":{"g":{"timestamp":T1},"r":{"timestamp":T1}},
        "on":{"timestamp":T1},"seq":[{"timestamp":T1},{"timestamp":T1}]},
        "reported":{"color":{"g":{"timestamp":T2},"r":{"timestamp":T2}},"fw":{"timestamp":T2},
        "seq":[{"timestamp":T2}]}},"version":2,"timestamp":NOW}"#;
    assert_eq!(shadow.get(), timed(got));
}

#[test]
fn keys_that_are_removed_leave_their_object_and_no_delta() {
    let mut shadow = Shadow::default();
    shadow.update(CREATE, T1);
    shadow.update(REPORT, T2);
    let told = shadow.update(REMOVE, T3);
    let accepted = r#"{"state":{"desired":{"color":{"g":null,"r":null},"on":null,"seq":null}},
        "metadata":{"desired":{"color":{"g":{"timestamp":T3},"r":{"timestamp":T3}},
        "on":{"timestamp":T3},"seq":{"timestamp":T3}}},"version":3,"timestamp":T3}"#;
    assert_eq!(told.accepted, timed(accepted));
    assert_eq!(told.delta, None);
    let reported = r#""reported":{"color":{"g":9,"r":255},"fw":"1.0","seq":[1]}"#;
    let times = r#""reported":{"color":{"g":{"timestamp":T2},"r":{"timestamp":T2}},
        "fw":{"timestamp":T2},"seq":[{"timestamp":T2}]}"#;
    let documents = format!(
        r#"{{"previous":{{"state":{{"desired":{{"color":{{"g":0,"r":255}},"on":true,"seq":[1,2]}},
        {reported}}},"metadata":{{"desired":{{"color":{{"g":{{"timestamp":T1}},
        "r":{{"timestamp":T1}}}},"on":{{"timestamp":T1}},
        "seq":[{{"timestamp":T1}},{{"timestamp":T1}}]}},{times}}},"version":2}},
        "current":{{"state":{{"desired":{{"color":{{}}}},{reported}}},
        "metadata":{{"desired":{{"color":{{}}}},{times}}},"version":3}},"timestamp":T3}}"#
    );
    assert_eq!(told.documents, timed(&documents));
}

#[test]
fn null_clears_both_sections() {
    let mut shadow = Shadow::default();
    shadow.update(CREATE, T1);
    let told = shadow.update(r#"{"state":null}"#, T2);
    let accepted = r#"{"state":null,"metadata":{"timestamp":T2},"version":2,"timestamp":T2}"#;
    assert_eq!(told.accepted, timed(accepted));
    assert_eq!(told.delta, None);
    assert_eq!(shadow.get(), timed(r#"{"state":{},"metadata":{},"version":2,"timestamp":NOW}"#));
    let mut missing = Shadow::default();
    missing.update(r#"{"state":null}"#, T1);
    assert_eq!(missing.get(), timed(r#"{"state":{},"metadata":{},"version":1,"timestamp":NOW}"#));
}

/// What several updates of one section or both leave, as a client gets it.
#[test]
fn updates_leave_what_they_say() {
    for (updates, state) in [
        // An object of nulls is nothing, and a version all the same.
        (&[r#"{"desired":{"a":{"b":null}}}"#][..], r#"{}"#),
        (
            &[r#"{"desired":{"a":{"b":{"c":null}},"d":1}}"#],
            r#"{"desired":{"d":1},"delta":{"d":1}}"#,
        ),
        (&[r#"{"reported":{"a":{}}}"#], r#"{"reported":{"a":{}}}"#),
        (&[r#"{"reported":{"a":{"b":{},"c":null}}}"#], r#"{"reported":{"a":{"b":{}}}}"#),
        // Types may change.
        (
            &[r#"{"reported":{"b":{"c":3}}}"#, r#"{"reported":{"b":{"c":{"d":3}}}}"#],
            r#"{"reported":{"b":{"c":{"d":3}}}}"#,
        ),
        (
            &[r#"{"reported":{"b":{"c":3}}}"#, r#"{"reported":{"b":{"c":{}}}}"#],
            r#"{"reported":{"b":{"c":{}}}}"#,
        ),
        (
            &[r#"{"reported":{"b":{"c":3}}}"#, r#"{"reported":{"b":{"c":{"d":null}}}}"#],
            r#"{"reported":{"b":{"c":{}}}}"#,
        ),
        (
            &[r#"{"reported":{"b":{"c":3}}}"#, r#"{"reported":{"b":[{"c":1}]}}"#],
            r#"{"reported":{"b":[{"c":1}]}}"#,
        ),
        // The last key takes its section with it, and an object stays without members.
        (&[r#"{"desired":{"s":1}}"#, r#"{"desired":{"s":null}}"#], r#"{}"#),
        (
            &[r#"{"reported":{"a":{"b":1}}}"#, r#"{"reported":{"a":{"b":null}}}"#],
            r#"{"reported":{"a":{}}}"#,
        ),
        (&[r#"{"reported":{"a":1}}"#, r#"{"reported":{"b":null}}"#], r#"{"reported":{"a":1}}"#),
        // A section that is empty says nothing, and null takes one away.
        (&[r#"{"reported":{"a":1}}"#, r#"{"reported":{}}"#], r#"{"reported":{"a":1}}"#),
        (
            &[r#"{"reported":{"a":{"b":1}}}"#, r#"{"reported":{"a":{}}}"#],
            r#"{"reported":{"a":{"b":1}}}"#,
        ),
        (
            &[r#"{"reported":{"a":1},"desired":{"a":1}}"#, r#"{"reported":null}"#],
            r#"{"desired":{"a":1},"delta":{"a":1}}"#,
        ),
        (&[r#"{}"#], r#"{}"#),
        // Arrays are replaced as they are.
        (
            &[r#"{"reported":{"a":[1,2,3]}}"#, r#"{"reported":{"a":[4]}}"#],
            r#"{"reported":{"a":[4]}}"#,
        ),
        // Numbers stay as they were written.
        (
            &[r#"{"reported":{"a":1.0,"b":12345678901234567890123,"c":1E2,"d":-0}}"#],
            r#"{"reported":{"a":1.0,"b":12345678901234567890123,"c":1E2,"d":-0}}"#,
        ),
    ] {
        let mut shadow = Shadow::default();
        for update in updates {
            shadow.update(&format!(r#"{{"state":{update}}}"#), T1);
        }
        assert_eq!(shadow.state(), state, "{updates:?}");
    }
}

/// desired, reported, and in what they differ.
#[test]
fn the_delta_is_what_is_desired_and_not_reported() {
    for (desired, reported, delta) in [
        (r#"{"online":true}"#, r#"{"online":false}"#, r#"{"online":true}"#),
        (r#"{"enabled":true}"#, r#"{"online":false,"enabled":true}"#, ""),
        (r#"{"list":["1"]}"#, r#"{"list":["1","2"]}"#, r#"{"list":["1"]}"#),
        (
            r#"{"a":{"b":{"c":"d2"}}}"#,
            r#"{"a":{"b":{"c":"d","e":"f"}}}"#,
            r#"{"a":{"b":{"c":"d2"}}}"#,
        ),
        (r#"{"a":{"b1":{"c":"d"},"b2":"s"}}"#, r#"{"a":{"b1":{"c":"d"}}}"#, r#"{"a":{"b2":"s"}}"#),
        (r#"{"enabled":true}"#, "{}", r#"{"enabled":true}"#),
        (r#"{"a":{}}"#, "{}", r#"{"a":{}}"#),
        (r#"{"a":{}}"#, r#"{"a":{"b":1}}"#, ""),
        (r#"{"a":{}}"#, r#"{"a":1}"#, r#"{"a":{}}"#),
        (r#"{"a":1}"#, r#"{"a":{"b":1}}"#, r#"{"a":1}"#),
        (r#"{"a":1}"#, r#"{"a":1.0}"#, ""),
        (r#"{"a":1}"#, r#"{"a":"1"}"#, r#"{"a":1}"#),
        (r#"{"a":[1,[2,3]]}"#, r#"{"a":[1,[3,2]]}"#, r#"{"a":[1,[2,3]]}"#),
        (r#"{"a":[1]}"#, r#"{"a":[1.0]}"#, ""),
        ("{}", r#"{"a":1}"#, ""),
    ] {
        let mut shadow = Shadow::default();
        let request = format!(r#"{{"state":{{"desired":{desired},"reported":{reported}}}}}"#);
        let told = shadow.update(&request, T1).delta;
        let state = told.as_deref().map_or("", |told| {
            let (_, rest) = told.split_once(r#"{"state":"#).unwrap();
            rest.split_once(r#","metadata":"#).unwrap().0
        });
        assert_eq!(state, delta, "{request}");
        assert_eq!(shadow.state().contains("delta"), !delta.is_empty(), "{request}");
    }
}

#[test]
fn a_record_says_once_what_was_written_at_one_time() {
    let mut shadow = Shadow::default();
    let times = |shadow: &Shadow| record(shadow.record.as_deref().unwrap()).times.get().to_owned();
    shadow.update(r#"{"state":{"reported":{"a":{"b":1,"c":[2,{}]},"d":3}}}"#, T1);
    assert_eq!(times(&shadow), timed(r#"{"reported":T1}"#));
    shadow.update(r#"{"state":{"desired":{"e":{}},"reported":{"a":{"b":4}}}}"#, T2);
    let expected = r#"{"desired":{"e":{}},"reported":{"a":{"b":T2,"c":T1},"d":T1}}"#;
    assert_eq!(times(&shadow), timed(expected));
}

#[test]
fn digits_in_names_are_not_times() {
    let mut shadow = Shadow::default();
    shadow.update(r#"{"state":{"reported":{"1\"2":3,"x4":[5]}}}"#, T1);
    let got = r#"{"state":{"reported":{"1\"2":3,"x4":[5]}},
        "metadata":{"reported":{"1\"2":{"timestamp":T1},"x4":[{"timestamp":T1}]}},
        "version":1,"timestamp":NOW}"#;
    assert_eq!(shadow.get(), timed(got));
}

/// Requests, and what they are refused with.
#[test]
fn a_request_that_is_none_is_refused_in_the_documented_words() {
    let limits = Limits::default();
    let nested = |levels: usize| {
        let nest = "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
        format!(r#"{{"state":{{"desired":{nest}}}}}"#)
    };
    let token = |bytes: usize| format!(r#"{{"state":{{}},"clientToken":"{}"}}"#, "t".repeat(bytes));
    let refused = |body: Vec<u8>| {
        let refusal = Update::read(&body, T1, &limits).unwrap_err();
        (refusal.status, refusal.message, refusal.client_token.map(String::from))
    };
    let invalid = |text: &str| (400, text.to_owned(), None);
    for (body, message) in [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("[]", "Invalid JSON"),
        ("null", "Invalid JSON"),
        (r#"{"state":{"desired":{"a":NaN}}}"#, "Invalid JSON"),
        ("{}", "Missing required node: state"),
        (r#"{"state":1}"#, "State node must be an object"),
        (r#"{"state":[]}"#, "State node must be an object"),
        (r#"{"state":{"delta":{}}}"#, "State contains an invalid node: 'delta'"),
        (r#"{"state":{"desired":1}}"#, "Desired node must be an object"),
        (r#"{"state":{"reported":"x"}}"#, "Reported node must be an object"),
        (
            r#"{"state":{"desired":{"a":[1,{"b":[null]}]}}}"#,
            "State contains an invalid node: null in an array",
        ),
        (&nested(9), "JSON contains too many levels of nesting; maximum is 8"),
        (r#"{"state":{},"clientToken":1}"#, "Invalid clientToken"),
        (&token(65), "Invalid clientToken"),
        (r#"{"state":{},"version":"1"}"#, "Invalid version"),
        (r#"{"state":{},"version":-1}"#, "Invalid version"),
        (r#"{"state":{},"version":1.5}"#, "Invalid version"),
        (r#"{"state":{},"version":null}"#, "Invalid version"),
    ] {
        assert_eq!(refused(body.as_bytes().to_vec()), invalid(message), "{body}");
    }
    let (status, message, token_said) = refused(br#"{"state":1,"clientToken":"c"}"#.to_vec());
    assert_eq!((status, message.as_str()), (400, "State node must be an object"));
    assert_eq!(token_said.as_deref(), Some("c"));
    let encoding = "Unsupported documented encoding; supported encoding is UTF-8";
    assert_eq!(refused(b"{\"state\":\"\xff\"}".to_vec()), (415, encoding.to_owned(), None));
    for body in [nested(8), token(64), r#"{"state":{},"version":0,"other":[null]}"#.to_owned()] {
        assert!(Update::read(body.as_bytes(), T1, &limits).is_ok(), "{body}");
    }
}
