//! Names of functions: short, with account, or whole ARNs; with a version or alias, or without.

use types::Arn;

use crate::error::InvokeError;

/// The longest name of a function, and of an alias.
const NAME_BYTES_MAX: usize = 64;
const QUALIFIER_BYTES_MAX: usize = 128;

/// A function that somebody means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FunctionId {
    pub(crate) name: String,
    /// A version or an alias.
    pub(crate) qualifier: Option<String>,
    pub(crate) region: String,
    /// Without the qualifier.
    pub(crate) arn: String,
}

impl FunctionId {
    /// Reads `text`; what it leaves out is `region`'s and `account`'s.
    pub(crate) fn parse(text: &str, region: &str, account: &str) -> Result<Self, InvokeError> {
        Self::read(text, region, account).ok_or_else(|| InvokeError::Name { text: shown(text) })
    }

    fn read(text: &str, region: &str, account: &str) -> Option<Self> {
        if text.starts_with("arn:") {
            let arn = Arn::parse(text).ok().filter(|arn| arn.service == "lambda")?;
            let rest = arn.resource.strip_prefix("function:")?;
            return Self::named(rest, arn.partition, arn.region, arn.account);
        }
        match text.split_once(":function:") {
            Some((account, rest)) => Self::named(rest, "aws", region, account),
            None => Self::named(text, "aws", region, account),
        }
    }

    fn named(rest: &str, partition: &str, region: &str, account: &str) -> Option<Self> {
        let (name, qualifier) = match rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (rest, None),
        };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_good = is_word(name, NAME_BYTES_MAX)
            && is_account
            && is_region(region)
            && qualifier.is_none_or(is_qualifier);
        is_good.then(|| Self {
            name: name.to_owned(),
            qualifier: qualifier.map(str::to_owned),
            region: region.to_owned(),
            arn: format!("arn:{partition}:lambda:{region}:{account}:function:{name}"),
        })
    }

    /// The ARN as it was meant, qualifier included.
    pub(crate) fn invoked_arn(&self) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.arn),
            None => self.arn.clone(),
        }
    }

    /// What a handler is told of its version: an alias is not one.
    pub(crate) fn version(&self) -> &str {
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        self.qualifier.as_deref().filter(is_number).unwrap_or("$LATEST")
    }
}

fn is_word(text: &str, bytes_max: usize) -> bool {
    !text.is_empty()
        && text.len() <= bytes_max
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// It becomes part of a host's name.
pub(crate) fn is_region(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 32 && text.bytes().all(is_good)
}

fn is_qualifier(text: &str) -> bool {
    text == "$LATEST" || is_word(text, QUALIFIER_BYTES_MAX)
}

/// As much of a wrong name as helps to find it.
fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<(&str, Option<&str>, &str)>) {
        let id = FunctionId::read(text, "us-east-1", "000000000000");
        let found = id.as_ref().map(|id| (id.name.as_str(), id.qualifier.as_deref(), &*id.arn));
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn a_function_is_meant_by_name_or_arn() {
        let own = "arn:aws:lambda:us-east-1:000000000000:function:pump";
        let other = "arn:aws-cn:lambda:cn-north-1:123456789012:function:pump";
        check("pump", Some(("pump", None, own)));
        check("pump:7", Some(("pump", Some("7"), own)));
        check("pump:$LATEST", Some(("pump", Some("$LATEST"), own)));
        check("000000000000:function:pump:live", Some(("pump", Some("live"), own)));
        check(own, Some(("pump", None, own)));
        check(&format!("{other}:live"), Some(("pump", Some("live"), other)));
    }

    #[test]
    fn what_is_no_function_is_refused() {
        for text in [
            "",
            ":7",
            "pump:",
            "pump:a:b",
            "pu mp",
            "pump/../x",
            "1:function:pump",
            "arn:aws:lambda:us-east-1:000000000000:layer:pump",
            "arn:aws:sns:us-east-1:000000000000:function:pump",
            "arn:aws:lambda::000000000000:function:pump",
            "arn:aws:lambda:evil.example/:000000000000:function:pump",
            &"a".repeat(65),
        ] {
            check(text, None);
        }
    }

    #[test]
    fn an_alias_is_no_version() {
        let version =
            |text| FunctionId::parse(text, "r", "000000000000").unwrap().version().to_owned();
        assert_eq!(version("pump:12"), "12");
        assert_eq!(version("pump:live"), "$LATEST");
        assert_eq!(version("pump"), "$LATEST");
    }
}
