//! `NotAction` and `NotResource`.

use super::{ALLOWED, Case, DENIED, REFUSED};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Effect":"Allow","NotAction":"iot:Connect","Resource":"*"}"#], rows: &[
        ("NotAction allows other actions", "Publish", "topic/a", &[], ALLOWED),
        ("NotAction does not allow the action", "Connect", "client/a", &[], REFUSED),
        ("NotAction does not allow the action in other letters", "iot:CONNECT", "client/a", &[], REFUSED),
        ("NotAction allows other services", "iotjobsdata:DescribeJobExecution", "thing/a", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","NotAction":["iot:Con*","iot:Publish"],"Resource":"*"}"#], rows: &[
        ("NotAction with a list: another", "Receive", "topic/a", &[], ALLOWED),
        ("NotAction with a list: the first", "Connect", "client/a", &[], REFUSED),
        ("NotAction with a list: the second", "Publish", "topic/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","NotAction":"iot:Connect","Resource":"*"}"#], rows: &[
        ("a Deny of all but Connect leaves Connect", "Connect", "client/a", &[], ALLOWED),
        ("a Deny of all but Connect takes Publish", "Publish", "topic/a", &[], DENIED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","NotAction":"*","Resource":"*"},{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}"#], rows: &[
        ("NotAction of everything allows nothing", "Publish", "topic/a", &[], REFUSED),
        ("NotAction of everything leaves what others allow", "Connect", "client/a", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","NotResource":"ARN:topic/secret/*"}"#], rows: &[
        ("NotResource allows others", "Publish", "topic/open", &[], ALLOWED),
        ("NotResource does not allow the resource", "Publish", "topic/secret/a", &[], REFUSED),
        ("NotResource allows what is nearly the resource", "Publish", "topic/secret", &[], ALLOWED),
        ("NotResource allows the resource in other letters", "Publish", "topic/SECRET/a", &[], ALLOWED),
        ("NotResource allows other types", "Publish", "client/secret/a", &[], ALLOWED),
        ("NotResource allows other tenants", "Publish", "arn:aws:iot:us-east-1:000000000000:topic/secret/a", &[], ALLOWED),
        ("NotResource keeps to its action", "Receive", "topic/open", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","NotResource":["ARN:topic/a","ARN:topic/b/?"]}"#], rows: &[
        ("NotResource with a list: another", "Publish", "topic/c", &[], ALLOWED),
        ("NotResource with a list: the first", "Publish", "topic/a", &[], REFUSED),
        ("NotResource with a list: the second", "Publish", "topic/b/1", &[], REFUSED),
        ("NotResource with a list: beside the second", "Publish", "topic/b/12", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":["iot:Publish","iot:Receive"],"NotResource":"ARN:topic/open/*"}"#], rows: &[
        ("a Deny of all but open topics leaves those", "Publish", "topic/open/a", &[], ALLOWED),
        ("a Deny of all but open topics takes others", "Receive", "topic/a", &[], DENIED),
        ("a Deny of all but open topics leaves other actions", "Subscribe", "topicfilter/a", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","NotAction":"iot:Connect","NotResource":"ARN:topic/a"}"#], rows: &[
        ("both negated: another action and resource", "Publish", "topic/b", &[], ALLOWED),
        ("both negated: the action and another resource", "Connect", "topic/b", &[], REFUSED),
        ("both negated: another action and the resource", "Publish", "topic/a", &[], REFUSED),
        ("both negated: the action and the resource", "Connect", "topic/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","NotResource":"*"},{"Effect":"Allow","Action":"iot:Receive","Resource":"*"}"#], rows: &[
        ("NotResource of everything allows nothing", "Publish", "topic/a", &[], REFUSED),
        ("NotResource of everything leaves what others allow", "Receive", "topic/a", &[], ALLOWED),
    ] },
];
