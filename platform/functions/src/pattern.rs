//! Keys of settings that stand for several functions: `*` is any text.

/// How well a key fits: an exact one before any pattern, then the one that says more.
pub(crate) fn fit(key: &str, text: &str) -> Option<usize> {
    if key == text {
        return Some(usize::MAX);
    }
    let said = key.len() - key.matches('*').count();
    (key.contains('*') && matches(key.as_bytes(), text.as_bytes())).then_some(said)
}

/// Whether `pattern` covers `text`, going back to its last `*` only: time is their product at most.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if Some(byte) == text.get(seen) => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((star_at, star_seen)) = star else { return false };
                star = Some((star_at, star_seen + 1));
                at = star_at + 1;
                seen = star_seen + 1;
            }
        }
    }
    pattern.get(at..).is_none_or(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (key, text, expect) in [
            ("pump", "pump", Some(usize::MAX)),
            ("pump", "pumps", None),
            ("*", "pump", Some(0)),
            ("*", "", Some(0)),
            ("p*", "pump", Some(1)),
            ("p*p", "pump", Some(2)),
            ("p*p", "pumps", None),
            ("p*m*", "pump", Some(2)),
            ("*ump*", "pump", Some(3)),
            ("*x*", "pump", None),
            ("a*ab", "aaab", Some(3)),
        ] {
            assert_eq!(fit(key, text), expect, "{key} {text}");
        }
    }
}
