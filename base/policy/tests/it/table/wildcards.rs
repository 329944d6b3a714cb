//! `*` and `?` of policies, and `+` and `#` of MQTT, which mean nothing to them.

use super::{ALLOWED, Case, REFUSED};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Effect":"Allow","Action":["iot:Publish","iot:Subscribe"],"Resource":["ARN:topic/some/*/topic","ARN:topicfilter/some/*/topic"]}"#], rows: &[
        ("* stands for a level", "Publish", "topic/some/x/topic", &[], ALLOWED),
        ("* stands for several levels", "Publish", "topic/some/x/y/z/topic", &[], ALLOWED),
        ("* stands for an empty level", "Publish", "topic/some//topic", &[], ALLOWED),
        ("* does not stand for the slashes around it", "Publish", "topic/some/topic", &[], REFUSED),
        ("* stands for + in a filter", "Subscribe", "topicfilter/some/+/topic", &[], ALLOWED),
        ("* stands for levels of a filter", "Subscribe", "topicfilter/some/+/+/topic", &[], ALLOWED),
        ("* in the middle does not stand for what comes behind", "Publish", "topic/some/x/topic/y", &[], REFUSED),
        ("* in the middle ends where the rest fits last", "Publish", "topic/some/x/topic/y/topic", &[], ALLOWED),
        ("* does not stand for #, for the rest is missing", "Subscribe", "topicfilter/some/#", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":["iot:Publish","iot:Subscribe"],"Resource":["ARN:topic/some/+/topic","ARN:topicfilter/some/+/topic","ARN:topicfilter/a/#"]}"#], rows: &[
        ("+ of a policy is the text +", "Subscribe", "topicfilter/some/+/topic", &[], ALLOWED),
        ("+ of a policy is no level", "Subscribe", "topicfilter/some/x/topic", &[], REFUSED),
        ("+ of a policy is no level of a topic", "Publish", "topic/some/x/topic", &[], REFUSED),
        ("# of a policy is the text #", "Subscribe", "topicfilter/a/#", &[], ALLOWED),
        ("# of a policy is no rest", "Subscribe", "topicfilter/a/b", &[], REFUSED),
        ("# of a policy is no filter below it", "Subscribe", "topicfilter/a/b/#", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/a?c"}"#], rows: &[
        ("? stands for one character", "Publish", "topic/abc", &[], ALLOWED),
        ("? stands for a slash", "Publish", "topic/a/c", &[], ALLOWED),
        ("? stands for a character of several bytes", "Publish", "topic/aéc", &[], ALLOWED),
        ("? stands for a character beyond the first plane", "Publish", "topic/a🜚c", &[], ALLOWED),
        ("? does not stand for nothing", "Publish", "topic/ac", &[], REFUSED),
        ("? does not stand for two characters", "Publish", "topic/abbc", &[], REFUSED),
        ("? stands for itself", "Publish", "topic/a?c", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/??/*?"}"#], rows: &[
        ("?? and *? take two and one at least", "Publish", "topic/ab/c", &[], ALLOWED),
        ("*? takes several", "Publish", "topic/ab/cde/f", &[], ALLOWED),
        ("*? does not take nothing", "Publish", "topic/ab/", &[], REFUSED),
        ("?? does not take one", "Publish", "topic/a/c", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/**"}"#], rows: &[
        ("** is *", "Publish", "topic/", &[], ALLOWED),
        ("** is * on anything", "Publish", "topic/x/y", &[], ALLOWED),
        ("** of topics is not of clients", "Publish", "client/x", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/a*b*c"}"#], rows: &[
        ("two * take nothing", "Publish", "topic/abc", &[], ALLOWED),
        ("two * take as much as they have to", "Publish", "topic/axbxbxcxc", &[], ALLOWED),
        ("two * need what stands between them", "Publish", "topic/axxc", &[], REFUSED),
        ("two * need what stands behind them", "Publish", "topic/axbxd", &[], REFUSED),
        ("two * need what stands between in its order", "Publish", "topic/ac/b", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:*:123456789012:topic/a"}"#], rows: &[
        ("* may be the region", "Publish", "arn:aws:iot:eu-west-1:123456789012:topic/a", &[], ALLOWED),
        ("* of the region leaves the account", "Publish", "arn:aws:iot:eu-west-1:000000000000:topic/a", &[], REFUSED),
        ("* of the region crosses colons", "Publish", "arn:aws:iot:x:y:123456789012:topic/a", &[], ALLOWED),
        ("* of the region leaves the partition", "Publish", "arn:aws-cn:iot:cn-north-1:123456789012:topic/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*"}"#], rows: &[
        ("* is every topic", "Publish", "topic/a/b", &[], ALLOWED),
        ("* is every resource", "Publish", "client/a", &[], ALLOWED),
        ("* is the resource *", "Publish", "*", &[], ALLOWED),
        ("* as a resource is no action", "Receive", "topic/a/b", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:ListRetainedMessages","Resource":"ARN:*"}"#], rows: &[
        ("* of the tenant is all that it has", "ListRetainedMessages", "topic/a", &[], ALLOWED),
        ("* of the tenant is not the resource *", "ListRetainedMessages", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic*"}"#], rows: &[
        ("* behind the type takes topics", "Publish", "topic/a", &[], ALLOWED),
        ("* behind the type takes longer types", "Publish", "topicfilter/a", &[], ALLOWED),
        ("* behind the type leaves other types", "Publish", "client/topic", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/Lamp/1"}"#], rows: &[
        ("a resource in its own letters", "Publish", "topic/Lamp/1", &[], ALLOWED),
        ("a resource in small letters is another", "Publish", "topic/lamp/1", &[], REFUSED),
        ("a resource in capitals is another", "Publish", "topic/LAMP/1", &[], REFUSED),
        ("a resource with a slash more is another", "Publish", "topic/Lamp/1/", &[], REFUSED),
        ("a resource with a slash before it is another", "Publish", "topic//Lamp/1", &[], REFUSED),
        ("a resource with a blank more is another", "Publish", "topic/Lamp/1 ", &[], REFUSED),
        ("the type in capitals is another", "Publish", "TOPIC/Lamp/1", &[], REFUSED),
        ("a topic of another account", "Publish", "arn:aws:iot:us-east-1:000000000000:topic/Lamp/1", &[], REFUSED),
        ("a topic of another region", "Publish", "arn:aws:iot:eu-west-1:123456789012:topic/Lamp/1", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Subscribe","Resource":["ARN:topicfilter/$share/*/a","ARN:topicfilter/b/*"]}"#], rows: &[
        ("a shared filter is matched with its group", "Subscribe", "topicfilter/$share/g/a", &[], ALLOWED),
        ("* as the group crosses into the filter", "Subscribe", "topicfilter/$share/g/x/a", &[], ALLOWED),
        ("a shared filter is not matched without its group", "Subscribe", "topicfilter/$share/g/b/c", &[], REFUSED),
        ("a group's filter is not matched as a plain one", "Subscribe", "topicfilter/a", &[], REFUSED),
    ] },
];
