//! Amazon resource names, split into their six fields.

/// An ARN as its fields: `arn:partition:service:region:account:resource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn` …
    pub partition: &'a str,
    /// `iot`, `iam` …
    pub service: &'a str,
    /// May be empty.
    pub region: &'a str,
    /// May be empty.
    pub account: &'a str,
    /// All that follows the fifth colon, colons included: `thing/lamp`.
    pub resource: &'a str,
}

/// The text does not have an ARN's six fields.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an ARN has the form arn:partition:service:region:account:resource")]
pub struct InvalidArn;

impl<'a> Arn<'a> {
    /// Splits `text`; only the form is checked, not whether the resource exists.
    pub fn parse(text: &'a str) -> Result<Self, InvalidArn> {
        let mut fields = text.splitn(6, ':');
        if fields.next() != Some("arn") {
            return Err(InvalidArn);
        }
        let mut field = || fields.next().ok_or(InvalidArn);
        let arn = Self {
            partition: field()?,
            service: field()?,
            region: field()?,
            account: field()?,
            resource: field()?,
        };
        if arn.partition.is_empty() || arn.service.is_empty() || arn.resource.is_empty() {
            return Err(InvalidArn);
        }
        Ok(arn)
    }

    /// The resource's type and name, split at its first `/`: `("thing", "lamp")`.
    pub fn type_and_name(&self) -> Option<(&'a str, &'a str)> {
        self.resource.split_once('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_splits_into_its_fields() {
        let arn = Arn::parse("arn:aws:iot:us-east-1:123456789012:thing/a:b/c").unwrap();
        assert_eq!(arn.account, "123456789012");
        assert_eq!(arn.type_and_name(), Some(("thing", "a:b/c")));
    }

    #[test]
    fn a_text_without_six_fields_is_refused() {
        for wrong in [
            "",
            "arn",
            "arn:aws:iot:r:a",
            "urn:aws:iot:r:a:x",
            "arn::iot:r:a:x",
            "arn:aws:iot:r:a:",
        ] {
            assert_eq!(Arn::parse(wrong), Err(InvalidArn), "{wrong}");
        }
    }
}
