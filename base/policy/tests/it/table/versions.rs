//! Versions of the language: 2012-10-17 has variables, and 2008-10-17 does not.

use super::{ALLOWED, Case, REFUSED};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/${iot:ClientId}"}}"#], rows: &[
        ("2012: a variable is its value", "Connect", "client/c", &[("iot:ClientId", &["c"])], ALLOWED),
        ("2012: a variable is not its text", "Connect", "client/${iot:ClientId}", &[("iot:ClientId", &["c"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/${iot:ClientId}"}}"#], rows: &[
        ("2008: a variable is its text", "Connect", "client/${iot:ClientId}", &[("iot:ClientId", &["c"])], ALLOWED),
        ("2008: a variable is not its value", "Connect", "client/c", &[("iot:ClientId", &["c"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Statement":{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/${iot:ClientId}"}}"#], rows: &[
        ("no version: a variable is its text", "Connect", "client/${iot:ClientId}", &[("iot:ClientId", &["c"])], ALLOWED),
        ("no version: a variable is not its value", "Connect", "client/c", &[("iot:ClientId", &["c"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/${*}"}}"#], rows: &[
        ("2008: an escape is a wildcard in braces", "Connect", "client/${abc}", &[], ALLOWED),
        ("2008: an escape is no character", "Connect", "client/*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/a/*/?"}}"#], rows: &[
        ("2008: wildcards are wildcards", "Publish", "topic/a/b/c/d", &[], ALLOWED),
        ("2008: wildcards take what they take in 2012", "Publish", "topic/a/b/cd", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringEquals":{"iot:DomainName":"${iot:ClientId}"}}}}"#], rows: &[
        ("2008: a variable in a condition is its text", "Publish", "topic/a", &[("iot:ClientId", &["c"]), ("iot:DomainName", &["${iot:ClientId}"])], ALLOWED),
        ("2008: a variable in a condition is not its value", "Publish", "topic/a", &[("iot:ClientId", &["c"]), ("iot:DomainName", &["c"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/${iot:ClientId}"}}"#, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/${iot:ClientId}"}}"#], rows: &[
        ("each policy has its own version: 2008", "Connect", "client/c", &[("iot:ClientId", &["c"])], REFUSED),
        ("each policy has its own version: 2012", "Publish", "topic/c", &[("iot:ClientId", &["c"])], ALLOWED),
    ] },
];
