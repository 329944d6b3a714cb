//! The tenant that a host name asks for: `<prefix>-ats.iot.<region>.<domain>` and its siblings.

/// Endpoints beside the data plane's, as they stand between the prefix and `iot`.
const SIBLINGS: [&str; 3] = ["credentials", "jobs", "deviceadvisor"];
/// Characters of a prefix.
const PREFIX_CHARS: usize = 14;

/// The prefix of a tenant's endpoints in `server_name`; nothing for `localhost`, addresses and
/// names of the operator's own.
pub(super) fn prefix(server_name: &str) -> Option<&str> {
    let (first, rest) = server_name.split_once('.')?;
    let rest = match rest.split_once('.') {
        Some((sibling, rest)) if SIBLINGS.contains(&sibling) => rest,
        _ => rest,
    };
    let prefix = first.strip_suffix("-ats").unwrap_or(first);
    let is_prefix = prefix.len() == PREFIX_CHARS
        && prefix.starts_with('a')
        && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (is_prefix && rest.starts_with("iot.")).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_label_of_an_endpoint_is_its_prefix() {
        for (name, expect) in [
            ("agbt2231re2jzz-ats.iot.eu-west-1.iot.example.com", Some("agbt2231re2jzz")),
            ("agbt2231re2jzz.iot.eu-west-1.example.com", Some("agbt2231re2jzz")),
            ("agbt2231re2jzz.credentials.iot.eu-west-1.example.com", Some("agbt2231re2jzz")),
            ("agbt2231re2jzz.jobs.iot.eu-west-1.example.com", Some("agbt2231re2jzz")),
            ("agbt2231re2jzz-ats.iot.us-east-1.amazonaws.com", Some("agbt2231re2jzz")),
            ("localhost", None),
            ("iot.example.com", None),
            ("agbt2231re2jzz.example.com", None),
            ("bgbt2231re2jzz-ats.iot.eu-west-1.example.com", None),
            ("short-ats.iot.eu-west-1.example.com", None),
            ("agbt2231re2jzz", None),
            ("", None),
        ] {
            assert_eq!(prefix(name), expect, "{name}");
        }
    }
}
