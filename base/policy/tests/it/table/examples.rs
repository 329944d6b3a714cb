//! The examples and the tables of AWS's pages on policies, in their order.

use super::{ALLOWED, Case, DENIED, REFUSED};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    // Documents.
    Case { policies: &[r#"{"Version":"2012-10-17","Statement":[{"Sid":"x","Effect":"Allow","Action":["iot:Publish"],"Resource":["arn:aws:iot:us-east-1:123456789012:topic/a/*"],"Condition":{"StringEquals":{"iot:DomainName":"h"}}}]}"#], rows: &[
        ("document: what it allows", "Publish", "topic/a/b", &[("iot:DomainName", &["h"])], ALLOWED),
        ("document: another topic", "Publish", "topic/b/b", &[("iot:DomainName", &["h"])], REFUSED),
        ("document: another action", "Receive", "topic/a/b", &[("iot:DomainName", &["h"])], REFUSED),
        ("document: another host", "Publish", "topic/a/b", &[("iot:DomainName", &["g"])], REFUSED),
        ("document: no host", "Publish", "topic/a/b", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/a"}}"#], rows: &[
        ("document: one statement, one action, one resource", "Publish", "topic/a", &[], ALLOWED),
        ("document: one statement, and another resource", "Publish", "topic/b", &[], REFUSED),
    ] },
    // Actions with their resources.
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/x"},{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":"ARN:topic/x"},{"Effect":"Allow","Action":"iot:Subscribe","Resource":["ARN:topicfilter/x/#","ARN:topicfilter/$share/g/x"]}"#], rows: &[
        ("actions: Connect is about a client", "Connect", "client/x", &[], ALLOWED),
        ("actions: Connect is about no topic", "Connect", "topic/x", &[], REFUSED),
        ("actions: Publish is about a topic", "Publish", "topic/x", &[], ALLOWED),
        ("actions: Publish is about no client", "Publish", "client/x", &[], REFUSED),
        ("actions: Receive is about a topic", "Receive", "topic/x", &[], ALLOWED),
        ("actions: Receive is about no filter", "Receive", "topicfilter/x/#", &[], REFUSED),
        ("actions: Subscribe is about a filter", "Subscribe", "topicfilter/x/#", &[], ALLOWED),
        ("actions: Subscribe is about no topic", "Subscribe", "topic/x", &[], REFUSED),
        ("actions: Subscribe is about a shared filter as a whole", "Subscribe", "topicfilter/$share/g/x", &[], ALLOWED),
        ("actions: RetainPublish needs its own permission", "RetainPublish", "topic/x", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":["iot:Publish","iot:RetainPublish"],"Resource":"ARN:topic/keep/*"},{"Effect":"Allow","Action":"iot:GetRetainedMessage","Resource":"ARN:topic/keep/*"},{"Effect":"Allow","Action":"iot:ListRetainedMessages","Resource":"*"}"#], rows: &[
        ("actions: RetainPublish is about a topic", "RetainPublish", "topic/keep/a", &[], ALLOWED),
        ("actions: RetainPublish of another topic", "RetainPublish", "topic/a", &[], REFUSED),
        ("actions: GetRetainedMessage is about a topic", "GetRetainedMessage", "topic/keep/a", &[], ALLOWED),
        ("actions: GetRetainedMessage of another topic", "GetRetainedMessage", "topic/a", &[], REFUSED),
        ("actions: ListRetainedMessages is about everything", "ListRetainedMessages", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":["iot:DeleteConnection","iot:GetConnection","iot:ListSubscriptions"],"Resource":"ARN:client/x"},{"Effect":"Allow","Action":"iot:SendDirectMessage","Resource":"ARN:client/x","Condition":{"StringEquals":{"iot:Topic":"t"}}}"#], rows: &[
        ("actions: DeleteConnection is about a client", "DeleteConnection", "client/x", &[], ALLOWED),
        ("actions: GetConnection is about a client", "GetConnection", "client/x", &[], ALLOWED),
        ("actions: ListSubscriptions is about a client", "ListSubscriptions", "client/x", &[], ALLOWED),
        ("actions: ListSubscriptions of another client", "ListSubscriptions", "client/y", &[], REFUSED),
        ("actions: SendDirectMessage with its topic", "SendDirectMessage", "client/x", &[("iot:Topic", &["t"])], ALLOWED),
        ("actions: SendDirectMessage with another topic", "SendDirectMessage", "client/x", &[("iot:Topic", &["u"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":["iot:GetThingShadow","iot:UpdateThingShadow"],"Resource":["ARN:thing/x","ARN:thing/x/named"]},{"Effect":"Allow","Action":"iotjobsdata:*","Resource":"ARN:thing/x"},{"Effect":"Allow","Action":"iot:AssumeRoleWithCertificate","Resource":"ARN:rolealias/x"}"#], rows: &[
        ("actions: the shadow of a thing", "GetThingShadow", "thing/x", &[], ALLOWED),
        ("actions: a named shadow", "UpdateThingShadow", "thing/x/named", &[], ALLOWED),
        ("actions: another named shadow", "UpdateThingShadow", "thing/x/other", &[], REFUSED),
        ("actions: what is not done to shadows", "DeleteThingShadow", "thing/x", &[], REFUSED),
        ("actions: jobs of a thing", "iotjobsdata:StartNextPendingJobExecution", "thing/x", &[], ALLOWED),
        ("actions: jobs of a thing by the older prefix", "iot:StartNextPendingJobExecution", "thing/x", &[], REFUSED),
        ("actions: a role alias", "AssumeRoleWithCertificate", "rolealias/x", &[], ALLOWED),
        ("actions: another role alias", "AssumeRoleWithCertificate", "rolealias/y", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:GetConnection","Resource":"*","Condition":{"Bool":{"iot:IncludeSocketInformation":"false"}}},{"Effect":"Allow","Action":"iot:ListNamedShadowsForThing","Resource":"ARN:thing/x"},{"Effect":"Allow","Action":"iotjobsdata:StartCommandExecution","Resource":["ARN:thing/x","ARN:command/*"]},{"Effect":"Allow","Action":"iot:OpenTunnel","Resource":"ARN:tunnel/*"}"#], rows: &[
        ("actions: GetConnection without sockets", "GetConnection", "client/x", &[("iot:IncludeSocketInformation", &["false"])], ALLOWED),
        ("actions: GetConnection with sockets", "GetConnection", "client/x", &[("iot:IncludeSocketInformation", &["true"])], REFUSED),
        ("actions: the named shadows of a thing", "ListNamedShadowsForThing", "thing/x", &[], ALLOWED),
        ("actions: the named shadows of another thing", "ListNamedShadowsForThing", "thing/y", &[], REFUSED),
        ("actions: a command to a thing", "iotjobsdata:StartCommandExecution", "thing/x", &[], ALLOWED),
        ("actions: the command itself", "iotjobsdata:StartCommandExecution", "command/reboot", &[], ALLOWED),
        ("actions: a command to a client", "iotjobsdata:StartCommandExecution", "client/x", &[], REFUSED),
        ("actions: a tunnel", "OpenTunnel", "tunnel/*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/Site":"north"},"ForAllValues:StringEquals":{"aws:TagKeys":["Site","Floor"]}}},{"Effect":"Deny","Action":"iot:DeletePolicy","Resource":"*","Condition":{"StringLike":{"aws:ResourceTag/Site":"n*"}}}"#], rows: &[
        ("tags: those of the request, and no other", "CreatePolicy", "policy/p", &[("aws:RequestTag/Site", &["north"]), ("aws:TagKeys", &["Site"])], ALLOWED),
        ("tags: one more than there may be", "CreatePolicy", "policy/p", &[("aws:RequestTag/Site", &["north"]), ("aws:TagKeys", &["Site", "Cost"])], REFUSED),
        ("tags: another value", "CreatePolicy", "policy/p", &[("aws:RequestTag/Site", &["south"]), ("aws:TagKeys", &["Site"])], REFUSED),
        ("tags: a request without any", "CreatePolicy", "policy/p", &[], REFUSED),
        ("tags: those of the resource", "DeletePolicy", "policy/p", &[("aws:ResourceTag/Site", &["north"])], DENIED),
    ] },
    // A filter is compared as text.
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Subscribe","Resource":"ARN:topicfilter/*"},{"Effect":"Deny","Action":"iot:Subscribe","Resource":"ARN:topicfilter/a/restricted/*"}"#], rows: &[
        ("filters: a Deny of a subtree", "Subscribe", "topicfilter/a/restricted/x", &[], DENIED),
        ("filters: a Deny of a subtree does not stop a wider filter", "Subscribe", "topicfilter/a/#", &[], ALLOWED),
        ("filters: a Deny of a subtree does not stop +", "Subscribe", "topicfilter/a/+/x", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":["iot:Subscribe","iot:Receive"],"Resource":"*"},{"Effect":"Deny","Action":"iot:Receive","Resource":"ARN:topic/a/restricted/*"}"#], rows: &[
        ("filters: what a Deny of Receive lets in", "Subscribe", "topicfilter/a/#", &[], ALLOWED),
        ("filters: what a Deny of Receive keeps back", "Receive", "topic/a/restricted/x", &[], DENIED),
        ("filters: what a Deny of Receive lets pass", "Receive", "topic/a/open/x", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Subscribe","Resource":"ARN:topicfilter/my/${iot:ClientId}/x"}"#], rows: &[
        ("filters: a client called + opens the level of others", "Subscribe", "topicfilter/my/+/x", &[("iot:ClientId", &["+"])], ALLOWED),
        ("filters: another client does not", "Subscribe", "topicfilter/my/+/x", &[("iot:ClientId", &["c"])], REFUSED),
    ] },
    // What the guide warns of.
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/${iot:ClientId}"}"#], rows: &[
        ("warning: the client id as a variable allows any client", "Connect", "client/anybody", &[("iot:ClientId", &["anybody"])], ALLOWED),
        ("warning: over HTTP there is no client id", "Connect", "client/anybody", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":["iot:Connect","iot:Publish","iot:Subscribe","iot:Receive"],"Resource":"ARN:topic/*"}"#], rows: &[
        ("tutorial: it publishes", "Publish", "topic/a", &[], ALLOWED),
        ("tutorial: it receives", "Receive", "topic/a", &[], ALLOWED),
        ("tutorial: it does not connect", "Connect", "client/a", &[], REFUSED),
        ("tutorial: it does not subscribe", "Subscribe", "topicfilter/a", &[], REFUSED),
    ] },
    // Claims.
    Case { policies: &[r#"{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":["ARN:topic/$aws/certificates/create/*","ARN:topic/$aws/provisioning-templates/t/provision/*"]},{"Effect":"Allow","Action":"iot:Subscribe","Resource":"ARN:topicfilter/$aws/certificates/create/*"}"#], rows: &[
        ("claim: it asks for a certificate", "Publish", "topic/$aws/certificates/create/json", &[], ALLOWED),
        ("claim: it hears of its certificate", "Receive", "topic/$aws/certificates/create/json/accepted", &[], ALLOWED),
        ("claim: it listens", "Subscribe", "topicfilter/$aws/certificates/create/json/accepted", &[], ALLOWED),
        ("claim: create/* is not create-from-csr", "Publish", "topic/$aws/certificates/create-from-csr/json", &[], REFUSED),
        ("claim: another template", "Publish", "topic/$aws/provisioning-templates/u/provision/json", &[], REFUSED),
    ] },
];
