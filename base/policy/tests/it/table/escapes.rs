//! `${*}`, `${?}` and `${$}`: the characters themselves.

use super::unconfirmed::UNFINISHED_VARIABLE;
use super::{ALLOWED, Case, REFUSED};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/a${*}"}"#], rows: &[
        ("an escaped * is a *", "Connect", "client/a*", &[], ALLOWED),
        ("an escaped * is no wildcard", "Connect", "client/ab", &[], REFUSED),
        ("an escaped * is not nothing", "Connect", "client/a", &[], REFUSED),
        ("an escaped * is not the escape's text", "Connect", "client/a${*}", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/a${?}b"}"#], rows: &[
        ("an escaped ? is a ?", "Connect", "client/a?b", &[], ALLOWED),
        ("an escaped ? is no wildcard", "Connect", "client/axb", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/${$}{iot:ClientId}"}"#], rows: &[
        ("an escaped $ before braces is text", "Connect", "client/${iot:ClientId}", &[("iot:ClientId", &["c"])], ALLOWED),
        ("an escaped $ before braces is no variable", "Connect", "client/c", &[("iot:ClientId", &["c"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/${*}*${?}?"}"#], rows: &[
        ("escapes beside wildcards", "Connect", "client/*xyz?!", &[], ALLOWED),
        ("escapes beside wildcards that take nothing", "Connect", "client/*?!", &[], ALLOWED),
        ("the first of the escapes is missing", "Connect", "client/xyz?!", &[], REFUSED),
        ("the second of the escapes is missing", "Connect", "client/*xyz!", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Subscribe","Resource":"ARN:topicfilter/$share/g/$aws/a"}"#], rows: &[
        ("a $ without braces is a $", "Subscribe", "topicfilter/$share/g/$aws/a", &[], ALLOWED),
        ("a $ without braces is not nothing", "Subscribe", "topicfilter/share/g/$aws/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":["ARN:topic/${iot:ClientId","ARN:topic/b/${}"]}"#], rows: &[
        ("a variable without its end is text", "Publish", "topic/${iot:ClientId", &[("iot:ClientId", &["c"])], UNFINISHED_VARIABLE),
        ("a variable without its end is no variable", "Publish", "topic/c", &[("iot:ClientId", &["c"])], REFUSED),
        ("a variable without a name is text", "Publish", "topic/b/${}", &[], UNFINISHED_VARIABLE),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringLike":{"iot:ClientId":"a${*}*"}}}"#], rows: &[
        ("an escaped * in StringLike is a *", "Publish", "topic/a", &[("iot:ClientId", &["a*b"])], ALLOWED),
        ("an escaped * in StringLike is no wildcard", "Publish", "topic/a", &[("iot:ClientId", &["ab"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringEquals":{"iot:ClientId":["a*","b${*}","c?"]}}}"#], rows: &[
        ("a * in StringEquals is a *", "Publish", "topic/a", &[("iot:ClientId", &["a*"])], ALLOWED),
        ("a * in StringEquals is no wildcard", "Publish", "topic/a", &[("iot:ClientId", &["ab"])], REFUSED),
        ("an escaped * in StringEquals is a * too", "Publish", "topic/a", &[("iot:ClientId", &["b*"])], ALLOWED),
        ("a ? in StringEquals is no wildcard", "Publish", "topic/a", &[("iot:ClientId", &["cd"])], REFUSED),
    ] },
];
