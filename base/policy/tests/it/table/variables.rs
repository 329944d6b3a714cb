//! Variables of the client, with a value and without one. Those of its thing and its certificate
//! have files of their own.

use super::unconfirmed::{
    ALLOW_OF_ALL_BUT_AN_UNKNOWN_RESOURCE, ALLOW_UNLESS_UNKNOWN, DEFAULT_OF_A_VARIABLE,
    DENY_OF_ALL_BUT_AN_UNKNOWN_RESOURCE, DENY_OF_AN_UNKNOWN_RESOURCE, DENY_UNLESS_UNKNOWN,
    NAME_IN_OTHER_LETTERS, TEXT_OF_AN_UNKNOWN_VARIABLE, VALUE_AS_A_PATTERN,
};
use super::{ALLOWED, Case, DENIED, REFUSED};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/my/${iot:ClientId}/x"}"#], rows: &[
        ("a variable is its value", "Publish", "topic/my/c1/x", &[("iot:ClientId", &["c1"])], ALLOWED),
        ("a variable is no other value", "Publish", "topic/my/c2/x", &[("iot:ClientId", &["c1"])], REFUSED),
        ("a variable is not what its value begins with", "Publish", "topic/my/c/x", &[("iot:ClientId", &["c1"])], REFUSED),
        ("a variable is its value in the same letters", "Publish", "topic/my/C1/x", &[("iot:ClientId", &["c1"])], REFUSED),
        ("a value may have slashes", "Publish", "topic/my/a/b/x", &[("iot:ClientId", &["a/b"])], ALLOWED),
        ("a value may be empty", "Publish", "topic/my//x", &[("iot:ClientId", &[""])], ALLOWED),
        ("a value may have colons", "Publish", "topic/my/a:b/x", &[("iot:ClientId", &["a:b"])], ALLOWED),
        ("a value that is a * is a *", "Publish", "topic/my/*/x", &[("iot:ClientId", &["*"])], ALLOWED),
        ("a value that is a * is no wildcard", "Publish", "topic/my/c1/x", &[("iot:ClientId", &["*"])], VALUE_AS_A_PATTERN),
        ("a value that is a ? is no wildcard", "Publish", "topic/my/c/x", &[("iot:ClientId", &["?"])], VALUE_AS_A_PATTERN),
        ("a value that is a + is a +", "Publish", "topic/my/+/x", &[("iot:ClientId", &["+"])], ALLOWED),
        ("a value that is a variable is no variable", "Publish", "topic/my/n/x", &[("iot:ClientId", &["${iot:Name}"]), ("iot:Name", &["n"])], VALUE_AS_A_PATTERN),
        ("a value that is a variable is its text", "Publish", "topic/my/${iot:Name}/x", &[("iot:ClientId", &["${iot:Name}"]), ("iot:Name", &["n"])], ALLOWED),
        ("a variable without a value matches nothing", "Publish", "topic/my/c1/x", &[], REFUSED),
        ("a variable without a value does not match its own text", "Publish", "topic/my/${iot:ClientId}/x", &[], TEXT_OF_AN_UNKNOWN_VARIABLE),
        ("a variable without a value is not empty", "Publish", "topic/my//x", &[], REFUSED),
        ("the context's names have letters of any kind", "Publish", "topic/my/c1/x", &[("IOT:CLIENTID", &["c1"])], NAME_IN_OTHER_LETTERS),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":["ARN:topic/${IOT:clientid}","ARN:topic/at/${AWS:SOURCEIP}"]}"#], rows: &[
        ("a variable's name has letters of any kind", "Publish", "topic/c", &[("iot:ClientId", &["c"])], NAME_IN_OTHER_LETTERS),
        ("the address's variable has letters of any kind", "Publish", "topic/at/192.0.2.1", &[("aws:SourceIp", &["192.0.2.1"])], NAME_IN_OTHER_LETTERS),
        ("a variable's value has its own letters", "Publish", "topic/C", &[("iot:ClientId", &["c"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/${iot:ClientId}/${iot:ClientId}/${aws:SourceIp}/${iot:DomainName}"}"#], rows: &[
        ("several variables, one of them twice", "Publish", "topic/c/c/192.0.2.1/h", &[("iot:ClientId", &["c"]), ("aws:SourceIp", &["192.0.2.1"]), ("iot:DomainName", &["h"])], ALLOWED),
        ("the same variable is the same value each time", "Publish", "topic/c/d/192.0.2.1/h", &[("iot:ClientId", &["c"]), ("aws:SourceIp", &["192.0.2.1"]), ("iot:DomainName", &["h"])], REFUSED),
        ("one of several variables has no value", "Publish", "topic/c/c/192.0.2.1/h", &[("iot:ClientId", &["c"]), ("aws:SourceIp", &["192.0.2.1"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/*/${iot:ClientId}/?"}"#], rows: &[
        ("a variable among wildcards", "Publish", "topic/a/b/c/d", &[("iot:ClientId", &["c"])], ALLOWED),
        ("a variable among wildcards that take its value elsewhere", "Publish", "topic/c/c/c", &[("iot:ClientId", &["c"])], ALLOWED),
        ("a variable among wildcards, and none such", "Publish", "topic/a/b/d", &[("iot:ClientId", &["c"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":["ARN:client/${iot:ClientId}","ARN:client/fixed"]}"#], rows: &[
        ("a resource beside one whose variable has no value", "Connect", "client/fixed", &[], ALLOWED),
        ("a resource whose variable has no value beside one", "Connect", "client/c", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/${aws:username, 'nobody'}"}"#], rows: &[
        ("a default for a variable without a value", "Publish", "topic/nobody", &[], DEFAULT_OF_A_VARIABLE),
        ("a default and a value: the value", "Publish", "topic/ann", &[("aws:username", &["ann"])], ALLOWED),
        ("a default and a value: not the default", "Publish", "topic/nobody", &[("aws:username", &["ann"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*"}"#, r#"{"Effect":"Deny","Action":"iot:Publish","Resource":"ARN:topic/${iot:ClientId}/*"}"#], rows: &[
        ("a Deny with a variable matches its value", "Publish", "topic/c/x", &[("iot:ClientId", &["c"])], DENIED),
        ("a Deny with a variable leaves others", "Publish", "topic/d/x", &[("iot:ClientId", &["c"])], ALLOWED),
        ("a Deny whose variable has no value", "Publish", "topic/c/x", &[], DENY_OF_AN_UNKNOWN_RESOURCE),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*"},{"Effect":"Deny","Action":"iot:Publish","NotResource":"ARN:topic/${iot:ClientId}/*"}"#], rows: &[
        ("a Deny of all but the client's own topics leaves those", "Publish", "topic/c/x", &[("iot:ClientId", &["c"])], ALLOWED),
        ("a Deny of all but the client's own topics", "Publish", "topic/d/x", &[("iot:ClientId", &["c"])], DENIED),
        ("a Deny of all but topics that are not known", "Publish", "topic/c/x", &[], DENY_OF_ALL_BUT_AN_UNKNOWN_RESOURCE),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","NotResource":"ARN:topic/${iot:ClientId}/*"}"#], rows: &[
        ("an Allow of all but the client's own topics", "Publish", "topic/d/x", &[("iot:ClientId", &["c"])], ALLOWED),
        ("an Allow of all but the client's own topics leaves those out", "Publish", "topic/c/x", &[("iot:ClientId", &["c"])], REFUSED),
        ("an Allow of all but topics that are not known", "Publish", "topic/d/x", &[], ALLOW_OF_ALL_BUT_AN_UNKNOWN_RESOURCE),
        ("what cannot be such a topic, whatever the variable is", "Publish", "client/d", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringEquals":{"iot:DomainName":"${iot:ClientId}"}}}"#], rows: &[
        ("a variable in a condition is its value", "Publish", "topic/a", &[("iot:ClientId", &["c"]), ("iot:DomainName", &["c"])], ALLOWED),
        ("a variable in a condition is no other value", "Publish", "topic/a", &[("iot:ClientId", &["c"]), ("iot:DomainName", &["d"])], REFUSED),
        ("a variable in a condition without a value", "Publish", "topic/a", &[("iot:DomainName", &["c"])], REFUSED),
        ("a variable in a condition is not its text", "Publish", "topic/a", &[("iot:DomainName", &["${iot:ClientId}"])], TEXT_OF_AN_UNKNOWN_VARIABLE),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringNotEquals":{"iot:DomainName":"${iot:ClientId}"}}}"#], rows: &[
        ("not what a variable is", "Publish", "topic/a", &[("iot:ClientId", &["c"]), ("iot:DomainName", &["d"])], ALLOWED),
        ("what a variable is, where it must not be", "Publish", "topic/a", &[("iot:ClientId", &["c"]), ("iot:DomainName", &["c"])], REFUSED),
        ("not what an unknown variable is", "Publish", "topic/a", &[("iot:DomainName", &["d"])], ALLOW_UNLESS_UNKNOWN),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"iot:DomainName":"${iot:ClientId}"}}}"#], rows: &[
        ("a Deny unless a variable is so, and it is", "Publish", "topic/a", &[("iot:ClientId", &["c"]), ("iot:DomainName", &["c"])], ALLOWED),
        ("a Deny unless a variable is so, and it is not", "Publish", "topic/a", &[("iot:ClientId", &["c"]), ("iot:DomainName", &["d"])], DENIED),
        ("a Deny unless a variable is so, which nobody knows", "Publish", "topic/a", &[("iot:DomainName", &["d"])], DENY_UNLESS_UNKNOWN),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringLike":{"iot:DomainName":"${iot:ClientId}*"}}}"#], rows: &[
        ("a variable and a wildcard in a condition", "Publish", "topic/a", &[("iot:ClientId", &["c"]), ("iot:DomainName", &["c.example"])], ALLOWED),
        ("a value with a * in a condition is no wildcard", "Publish", "topic/a", &[("iot:ClientId", &["*"]), ("iot:DomainName", &["c.example"])], VALUE_AS_A_PATTERN),
    ] },
];
