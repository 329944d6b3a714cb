//! Actions: by name, by pattern, in any letters, of any service.

use super::unconfirmed::UNKNOWN_ACTION;
use super::{ALLOWED, Case, REFUSED};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*"}"#], rows: &[
        ("an action by its name", "Publish", "topic/a", &[], ALLOWED),
        ("an action in small letters", "iot:publish", "topic/a", &[], ALLOWED),
        ("an action in capitals", "IOT:PUBLISH", "topic/a", &[], ALLOWED),
        ("an action that begins like it", "PublishMore", "topic/a", &[], REFUSED),
        ("an action that it begins with", "Pub", "topic/a", &[], REFUSED),
        ("the same action of another service", "iotdata:Publish", "topic/a", &[], REFUSED),
        ("RetainPublish is not Publish", "RetainPublish", "topic/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"IOT:PUB*","Resource":"*"}"#], rows: &[
        ("a pattern of actions in capitals", "Publish", "topic/a", &[], ALLOWED),
        ("a pattern of actions takes what begins so", "PubMore", "topic/a", &[], ALLOWED),
        ("a pattern of actions leaves what only ends so", "RetainPublish", "topic/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:*Publish","Resource":"*"}"#], rows: &[
        ("*Publish takes RetainPublish", "RetainPublish", "topic/a", &[], ALLOWED),
        ("*Publish takes Publish", "Publish", "topic/a", &[], ALLOWED),
        ("*Publish leaves Subscribe", "Subscribe", "topicfilter/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:?ub*","Resource":"*"}"#], rows: &[
        ("?ub* takes Publish", "Publish", "topic/a", &[], ALLOWED),
        ("?ub* takes Subscribe, for S is one character", "Subscribe", "topicfilter/a", &[], ALLOWED),
        ("?ub* leaves RetainPublish", "RetainPublish", "topic/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:*","Resource":"*"}"#], rows: &[
        ("iot:* takes Connect", "Connect", "client/a", &[], ALLOWED),
        ("iot:* takes Receive", "Receive", "topic/a", &[], ALLOWED),
        ("iot:* takes AssumeRoleWithCertificate", "AssumeRoleWithCertificate", "rolealias/a", &[], ALLOWED),
        ("iot:* leaves the jobs of iotjobsdata", "iotjobsdata:DescribeJobExecution", "thing/a", &[], REFUSED),
        ("iot:* takes actions that there are not", "Fly", "topic/a", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"ARN:*"}"#], rows: &[
        ("* takes Connect", "Connect", "client/a", &[], ALLOWED),
        ("* takes the jobs of iotjobsdata", "iotjobsdata:GetPendingJobExecutions", "thing/a", &[], ALLOWED),
        ("* as an action is no resource", "Connect", "arn:aws:iot:us-east-1:000000000000:client/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":["iot:Connect","iot:Rec*"],"Resource":"*"}"#], rows: &[
        ("the first action of a list", "Connect", "client/a", &[], ALLOWED),
        ("the second action of a list", "Receive", "topic/a", &[], ALLOWED),
        ("an action that the list has not", "Publish", "topic/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Fly","Resource":"*"}"#], rows: &[
        ("an action that there is not, by its name", "Fly", "topic/a", &[], UNKNOWN_ACTION),
        ("an action that there is not, and another", "Publish", "topic/a", &[], REFUSED),
    ] },
];
