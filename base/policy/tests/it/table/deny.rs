//! Deny goes before Allow, wherever both stand; and nothing is allowed by itself.

use super::{ALLOWED, Case, DENIED, REFUSED};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:*","Resource":"*"},{"Effect":"Deny","Action":"iot:Publish","Resource":"ARN:topic/*/secret"}"#], rows: &[
        ("a Deny behind an Allow", "Publish", "topic/a/secret", &[], DENIED),
        ("a Deny of another resource", "Publish", "topic/a/open", &[], ALLOWED),
        ("a Deny of another action", "Receive", "topic/a/secret", &[], ALLOWED),
        ("a Deny of another service, which nothing allows", "iotjobsdata:Publish", "topic/a/secret", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Deny","Action":"iot:Publish","Resource":"ARN:topic/a"},{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/*"}"#], rows: &[
        ("a Deny before an Allow", "Publish", "topic/a", &[], DENIED),
        ("beside a Deny before an Allow", "Publish", "topic/b", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Deny","Action":"iot:Publish","Resource":"*"},{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/a"},{"Effect":"Allow","Action":"iot:Receive","Resource":"ARN:topic/a"}"#], rows: &[
        ("an Allow that says more does not go before a Deny that says less", "Publish", "topic/a", &[], DENIED),
        ("what the wide Deny leaves", "Receive", "topic/a", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, r#"{"Effect":"Deny","Action":"iot:Publish","Resource":"ARN:topic/a"}"#], rows: &[
        ("a Deny of another policy", "Publish", "topic/a", &[], DENIED),
        ("beside a Deny of another policy", "Publish", "topic/b", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/a"}"#, r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/b"}"#, r#"{"Effect":"Deny","Action":"iot:Publish","Resource":"ARN:topic/c"}"#], rows: &[
        ("policies add up: the first", "Publish", "topic/a", &[], ALLOWED),
        ("policies add up: the second", "Publish", "topic/b", &[], ALLOWED),
        ("a Deny of what nothing allows", "Publish", "topic/c", &[], DENIED),
        ("policies add up: none", "Publish", "topic/d", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Deny","Action":"iot:Publish","Resource":"ARN:topic/a"}"#], rows: &[
        ("only a Deny, and it matches", "Publish", "topic/a", &[], DENIED),
        ("only a Deny, and it does not match", "Publish", "topic/b", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*"},{"Effect":"Deny","Action":"iot:Publish","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#], rows: &[
        ("a Deny whose condition holds", "Publish", "topic/a", &[("aws:SourceIp", &["10.1.2.3"])], DENIED),
        ("a Deny whose condition does not hold", "Publish", "topic/a", &[("aws:SourceIp", &["192.0.2.1"])], ALLOWED),
        ("a Deny whose condition has no value", "Publish", "topic/a", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringEquals":{"iot:DomainName":"h"}}},{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringEquals":{"iot:ClientId":"c"}}}"#], rows: &[
        ("the first of two conditional Allows", "Publish", "topic/a", &[("iot:DomainName", &["h"])], ALLOWED),
        ("the second of two conditional Allows", "Publish", "topic/a", &[("iot:ClientId", &["c"])], ALLOWED),
        ("neither of two conditional Allows", "Publish", "topic/a", &[("iot:DomainName", &["g"]), ("iot:ClientId", &["d"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{}}"#], rows: &[
        ("a condition block without conditions holds", "Publish", "topic/a", &[], ALLOWED),
        ("a condition block without conditions keeps to the action", "Receive", "topic/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringEquals":{"iot:DomainName":"h","iot:ClientId":"c"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#], rows: &[
        ("all of a block's conditions hold", "Publish", "topic/a", &[("iot:DomainName", &["h"]), ("iot:ClientId", &["c"]), ("aws:SourceIp", &["10.0.0.1"])], ALLOWED),
        ("all but the first hold", "Publish", "topic/a", &[("iot:DomainName", &["g"]), ("iot:ClientId", &["c"]), ("aws:SourceIp", &["10.0.0.1"])], REFUSED),
        ("all but the second key holds", "Publish", "topic/a", &[("iot:DomainName", &["h"]), ("iot:ClientId", &["d"]), ("aws:SourceIp", &["10.0.0.1"])], REFUSED),
        ("all but the second operator holds", "Publish", "topic/a", &[("iot:DomainName", &["h"]), ("iot:ClientId", &["c"]), ("aws:SourceIp", &["192.0.2.1"])], REFUSED),
    ] },
];
