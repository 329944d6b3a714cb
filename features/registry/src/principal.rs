//! Principals and targets: whom a thing, and what a policy, is attached to.

use service::ApiError;
use types::{Arn, Region, Tenant};

use crate::store::thing_groups;

/// The length of a certificate id: of hexadecimal digits in lower case, as which the gateway
/// writes those of requests.
const CERTIFICATE_ID_CHARS: usize = 64;
/// The lengths of the parts of a GUID.
const GUID_PARTS: [usize; 5] = [8, 4, 4, 4, 12];

/// A certificate of the tenant, or a Cognito identity of anywhere. Whether the certificate
/// exists is for the caller to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// A device certificate.
    Certificate {
        /// Its id.
        id: String,
        /// Its ARN.
        arn: String,
    },
    /// A Cognito identity: `region:guid`.
    Cognito(String),
}

/// What a policy is attached to. Whether it exists is for the caller to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A certificate or a Cognito identity.
    Principal(Principal),
    /// A thing group of the tenant.
    ThingGroup {
        /// Its name.
        name: String,
        /// Its ARN.
        arn: String,
    },
}

/// Why a text is no principal and no target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotAPrincipal {
    /// It has the form of nothing that something is attached to.
    Malformed(String),
    /// It names a resource that the tenant does not have.
    Unknown(String),
}

impl Principal {
    /// Reads the ARN of a certificate or the id of a Cognito identity.
    pub(crate) fn parse(text: &str, tenant: &Tenant) -> Result<Self, NotAPrincipal> {
        if is_cognito_id(text) {
            return Ok(Self::Cognito(text.to_owned()));
        }
        let malformed = || NotAPrincipal::Malformed(text.to_owned());
        let arn = Arn::parse(text).map_err(|_| malformed())?;
        let (kind, name) = arn.type_and_name().ok_or_else(malformed)?;
        match kind {
            "cert" | "thinggroup" if arn.service != "iot" || name.is_empty() => Err(malformed()),
            "cert" if tenant.owns(&arn) && is_certificate_id(name) => {
                Ok(Self::certificate(name, tenant))
            }
            "cert" | "thinggroup" => Err(NotAPrincipal::Unknown(text.to_owned())),
            _ => Err(malformed()),
        }
    }

    /// The principal of the certificate with this id.
    pub(crate) fn certificate(id: &str, tenant: &Tenant) -> Self {
        let arn = tenant.arn("iot", &format!("cert/{id}"));
        Self::Certificate { id: id.to_owned(), arn }
    }

    /// As the API writes it.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Certificate { arn, .. } => arn,
            Self::Cognito(id) => id,
        }
    }
}

impl Target {
    /// Reads the ARN of a certificate or thing group, or the id of a Cognito identity.
    pub(crate) fn parse(text: &str, tenant: &Tenant) -> Result<Self, NotAPrincipal> {
        if let Some(name) = thing_group_name(text, tenant) {
            return Ok(Self::thing_group(name, tenant));
        }
        Principal::parse(text, tenant).map(Self::Principal)
    }

    /// The thing group called `name`.
    pub(crate) fn thing_group(name: &str, tenant: &Tenant) -> Self {
        Self::ThingGroup { name: name.to_owned(), arn: thing_groups::arn(tenant, name) }
    }

    /// As the API writes it.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Principal(principal) => principal.as_str(),
            Self::ThingGroup { arn, .. } => arn,
        }
    }
}

impl From<NotAPrincipal> for ApiError {
    fn from(error: NotAPrincipal) -> Self {
        match error {
            NotAPrincipal::Malformed(text) => Self::invalid(format!(
                "Invalid principal or target {text}: pass the ARN of a certificate, a Cognito \
                 identity id (region:guid) or, for a policy, the ARN of a thing group."
            )),
            NotAPrincipal::Unknown(text) => unknown(&text),
        }
    }
}

/// The refusal of a principal that the tenant does not have.
pub(crate) fn unknown(principal: &str) -> ApiError {
    ApiError::not_found(format!("The resource {principal} does not exist in this account."))
}

/// The name in the ARN of a thing group of the tenant.
fn thing_group_name<'t>(text: &'t str, tenant: &Tenant) -> Option<&'t str> {
    let arn = Arn::parse(text).ok()?;
    match arn.type_and_name()? {
        ("thinggroup", name) if arn.service == "iot" && tenant.owns(&arn) && !name.is_empty() => {
            Some(name)
        }
        _ => None,
    }
}

fn is_certificate_id(text: &str) -> bool {
    let is_digit = |b| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    text.len() == CERTIFICATE_ID_CHARS && text.bytes().all(is_digit)
}

fn is_cognito_id(text: &str) -> bool {
    let Some((region, guid)) = text.split_once(':') else {
        return false;
    };
    let is_hex = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    region.parse::<Region>().is_ok()
        && guid.split('-').map(str::len).eq(GUID_PARTS)
        && guid.split('-').all(is_hex)
}

#[cfg(test)]
mod tests {
    use types::TenantId;

    use super::*;

    const ID: &str = "aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899";

    fn tenant() -> Tenant {
        let account = "123456789012".parse().unwrap();
        Tenant { id: TenantId(1), account, region: "eu-west-1".parse().unwrap() }
    }

    fn parse(text: &str) -> Result<Principal, NotAPrincipal> {
        Principal::parse(text, &tenant())
    }

    #[test]
    fn certificates_of_the_tenant_and_cognito_identities_are_principals() {
        let arn = format!("arn:aws:iot:eu-west-1:123456789012:cert/{ID}");
        let certificate = Principal::Certificate { id: ID.to_owned(), arn: arn.clone() };
        assert_eq!(parse(&arn), Ok(certificate));
        let identity = "us-east-1:12345678-1234-1234-1234-123456789abc";
        assert_eq!(parse(identity), Ok(Principal::Cognito(identity.to_owned())));
    }

    #[test]
    fn a_policy_is_attached_to_thing_groups_of_the_tenant_as_well() {
        let arn = "arn:aws:iot:eu-west-1:123456789012:thinggroup/g".to_owned();
        let group = Target::ThingGroup { name: "g".to_owned(), arn: arn.clone() };
        assert_eq!(Target::parse(&arn, &tenant()), Ok(group));
        let identity = "us-east-1:12345678-1234-1234-1234-123456789abc";
        let principal = Principal::Cognito(identity.to_owned());
        assert_eq!(Target::parse(identity, &tenant()), Ok(Target::Principal(principal)));
        let elsewhere = "arn:aws:iot:us-east-1:123456789012:thinggroup/g".to_owned();
        let refused = Target::parse(&elsewhere, &tenant());
        assert_eq!(refused, Err(NotAPrincipal::Unknown(elsewhere)));
        let nameless = "arn:aws:iot:eu-west-1:123456789012:thinggroup/".to_owned();
        let refused = Target::parse(&nameless, &tenant());
        assert_eq!(refused, Err(NotAPrincipal::Malformed(nameless)));
    }

    #[test]
    fn what_is_elsewhere_is_unknown() {
        for text in [
            &format!("arn:aws:iot:us-east-1:123456789012:cert/{ID}"),
            &format!("arn:aws:iot:eu-west-1:000000000000:cert/{ID}"),
            &format!("arn:aws:iot:eu-west-1:123456789012:cert/{}", ID.to_uppercase()),
            "arn:aws:iot:eu-west-1:123456789012:cert/short",
            "arn:aws:iot:eu-west-1:123456789012:thinggroup/g",
        ] {
            assert_eq!(parse(text), Err(NotAPrincipal::Unknown(text.to_owned())));
        }
    }

    #[test]
    fn what_cannot_be_a_principal_is_malformed() {
        for text in [
            "",
            "hello",
            "us-east-1:1234",
            "us-east-1:12345678-1234-1234-1234-123456789abg",
            "arn:aws:iot:eu-west-1:123456789012:thing/t",
            "arn:aws:s3:eu-west-1:123456789012:cert/x",
            "arn:aws:iot:eu-west-1:123456789012:cert/",
        ] {
            assert_eq!(parse(text), Err(NotAPrincipal::Malformed(text.to_owned())), "{text}");
        }
    }
}
