//! What little XML the answers of services have.

/// The text of the first element of that name; entities are resolved.
pub(crate) fn text(xml: &[u8], element: &str) -> Option<String> {
    let xml = std::str::from_utf8(xml).ok()?;
    let (_, rest) = xml.split_once(&format!("<{element}>"))?;
    let (text, _) = rest.split_once(&format!("</{element}>"))?;
    Some(unescaped(text))
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let entity = behind.split_once(';').and_then(|(name, after)| Some((entity(name)?, after)));
        match entity {
            Some((char, after)) => {
                out.push(char);
                rest = after;
            }
            None => {
                out.push('&');
                rest = behind;
            }
        }
    }
    out + rest
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(xml: &str, expect: Option<&str>) {
        assert_eq!(text(xml.as_bytes(), "Message").as_deref(), expect, "{xml}");
    }

    #[test]
    fn an_element_is_found_and_read() {
        check("<Error><Code>x</Code><Message>no such</Message></Error>", Some("no such"));
        check(
            "<Message>a &lt;b&gt; &amp;amp; &#39;c&#x27; &x; &</Message>",
            Some("a <b> &amp; 'c' &x; &"),
        );
        check("<Message></Message>", Some(""));
        check("<Message>open", None);
        check("<Messages>x</Messages>", None);
    }
}
