//! AWS's query protocol: parameters in a form, answers in XML.

use std::borrow::Cow;

use http::StatusCode;
use percent_encoding::percent_decode_str;
use service::RawResponse;

/// The parameters of a form: the body of a POST, the query of a GET.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `name=value&…`. What is not UTF-8 once decoded is replaced, and then matches nothing.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    /// The first value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Text as it stands between XML tags.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

/// An answer in XML.
pub(crate) fn xml(status: StatusCode, text: String) -> RawResponse {
    RawResponse { status, content_type: "text/xml", body: text.into() }
}

fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded() {
        let form = Form::parse("Action=Get%43aller&Text=a+b%20c&Flag&&x=1&x=2");
        assert_eq!(form.get("Action"), Some("GetCaller"));
        assert_eq!(form.get("Text"), Some("a b c"));
        assert_eq!(form.get("Flag"), Some(""));
        assert_eq!(form.get("x"), Some("1"));
        assert_eq!(form.get("y"), None);
    }

    #[test]
    fn text_does_not_break_out_of_its_tags() {
        assert_eq!(escape("<a>&"), "&lt;a&gt;&amp;");
        assert_eq!(escape("plain"), "plain");
    }
}
