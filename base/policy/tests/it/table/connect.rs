//! What a CONNECT brings with it: a session to keep, a Will and its topic.

use super::unconfirmed::{ONE_OF_SEVERAL_VALUES, PLAIN_ALLOW_OF_A_PERSISTENT_SESSION};
use super::{ALLOWED, Case, DENIED, Keys, REFUSED};

const PLAIN: Keys = &[("iot:ConnectAttributes", &[])];
const PERSISTENT: Keys = &[("iot:ConnectAttributes", &["PersistentConnect"])];
const WITH_A_WILL: Keys = &[
    ("iot:ConnectAttributes", &["LastWill"]),
    ("iot:LastWillTopic", &["arn:aws:iot:us-east-1:123456789012:topic/wills/c"]),
    ("iot:ClientId", &["c"]),
];
const WITH_ANOTHER_WILL: Keys = &[
    ("iot:ConnectAttributes", &["LastWill"]),
    ("iot:LastWillTopic", &["arn:aws:iot:us-east-1:123456789012:topic/other/c"]),
    ("iot:ClientId", &["c"]),
];
const BOTH: Keys = &[
    ("iot:ConnectAttributes", &["PersistentConnect", "LastWill"]),
    ("iot:LastWillTopic", &["arn:aws:iot:us-east-1:123456789012:topic/wills/c"]),
    ("iot:ClientId", &["c"]),
];

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/c"}"#], rows: &[
        ("a plain Allow and a plain CONNECT", "Connect", "client/c", PLAIN, ALLOWED),
        ("a plain Allow and a persistent session", "Connect", "client/c", PERSISTENT, PLAIN_ALLOW_OF_A_PERSISTENT_SESSION),
        ("a plain Allow and a Will", "Connect", "client/c", WITH_A_WILL, ALLOWED),
        ("a plain Allow and another client", "Connect", "client/d", PLAIN, REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"ForAllValues:StringEquals":{"iot:ConnectAttributes":["PersistentConnect"]}}}"#], rows: &[
        ("at most a persistent session: none", "Connect", "client/c", PLAIN, ALLOWED),
        ("at most a persistent session: one", "Connect", "client/c", PERSISTENT, ALLOWED),
        ("at most a persistent session: a Will", "Connect", "client/c", WITH_A_WILL, REFUSED),
        ("at most a persistent session: and a Will", "Connect", "client/c", BOTH, REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"iot:ConnectAttributes":["LastWill"]}}}"#], rows: &[
        ("at least a Will: a plain CONNECT", "Connect", "client/c", PLAIN, REFUSED),
        ("at least a Will: a persistent session", "Connect", "client/c", PERSISTENT, REFUSED),
        ("at least a Will: a Will", "Connect", "client/c", WITH_A_WILL, ALLOWED),
        ("at least a Will: both", "Connect", "client/c", BOTH, ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},{"Effect":"Deny","Action":"iot:Connect","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"iot:ConnectAttributes":["PersistentConnect"]}}}"#], rows: &[
        ("all but persistent sessions: a plain CONNECT", "Connect", "client/c", PLAIN, ALLOWED),
        ("all but persistent sessions: a Will", "Connect", "client/c", WITH_A_WILL, ALLOWED),
        ("all but persistent sessions: one", "Connect", "client/c", PERSISTENT, DENIED),
        ("all but persistent sessions: with a Will", "Connect", "client/c", BOTH, DENIED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},{"Effect":"Deny","Action":"iot:Connect","Resource":"*","Condition":{"ForAllValues:StringEquals":{"iot:ConnectAttributes":["PersistentConnect"]}}}"#], rows: &[
        ("a Deny for all values takes those who have none", "Connect", "client/c", PLAIN, DENIED),
        ("a Deny for all values takes those who have them", "Connect", "client/c", PERSISTENT, DENIED),
        ("a Deny for all values leaves those who have another", "Connect", "client/c", BOTH, ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"ForAllValues:StringNotEquals":{"iot:ConnectAttributes":["LastWill"]}}}"#], rows: &[
        ("no Will: a plain CONNECT", "Connect", "client/c", PLAIN, ALLOWED),
        ("no Will: a persistent session", "Connect", "client/c", PERSISTENT, ALLOWED),
        ("no Will: a Will", "Connect", "client/c", WITH_A_WILL, REFUSED),
        ("no Will: a persistent session with a Will", "Connect", "client/c", BOTH, REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"ForAnyValue:StringNotEquals":{"iot:ConnectAttributes":["LastWill"]}}}"#], rows: &[
        ("something beside a Will: a plain CONNECT", "Connect", "client/c", PLAIN, REFUSED),
        ("something beside a Will: a persistent session", "Connect", "client/c", PERSISTENT, ALLOWED),
        ("something beside a Will: a Will alone", "Connect", "client/c", WITH_A_WILL, REFUSED),
        ("something beside a Will: both", "Connect", "client/c", BOTH, ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"StringEquals":{"iot:ConnectAttributes":"LastWill"}}}"#], rows: &[
        ("attributes without a set prefix: one of them", "Connect", "client/c", BOTH, ONE_OF_SEVERAL_VALUES),
        ("attributes without a set prefix: none", "Connect", "client/c", PLAIN, REFUSED),
        ("attributes without a set prefix: another", "Connect", "client/c", PERSISTENT, REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"ArnEquals":{"iot:LastWillTopic":"ARN:topic/wills/*"}}}"#], rows: &[
        ("a Will on its topic", "Connect", "client/c", WITH_A_WILL, ALLOWED),
        ("a Will on another topic", "Connect", "client/c", WITH_ANOTHER_WILL, REFUSED),
        ("no Will where its topic is asked for", "Connect", "client/c", PLAIN, REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"ArnEqualsIfExists":{"iot:LastWillTopic":"ARN:topic/wills/${iot:ClientId}"}}}"#], rows: &[
        ("a Will on the client's topic, if there is one", "Connect", "client/c", WITH_A_WILL, ALLOWED),
        ("a Will on another topic, if there is one", "Connect", "client/c", WITH_ANOTHER_WILL, REFUSED),
        ("no Will, if there is one", "Connect", "client/c", PLAIN, ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},{"Effect":"Deny","Action":"iot:Connect","Resource":"*","Condition":{"ArnNotLike":{"iot:LastWillTopic":"ARN:topic/wills/*"}}}"#], rows: &[
        ("a Deny of Wills elsewhere leaves those here", "Connect", "client/c", WITH_A_WILL, ALLOWED),
        ("a Deny of Wills elsewhere takes them", "Connect", "client/c", WITH_ANOTHER_WILL, DENIED),
        ("a Deny of Wills elsewhere takes those without one", "Connect", "client/c", PLAIN, DENIED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"StringLike":{"iot:LastWillTopic":"*:topic/wills/*"}}}"#], rows: &[
        ("the topic of a Will as text", "Connect", "client/c", WITH_A_WILL, ALLOWED),
        ("another topic of a Will as text", "Connect", "client/c", WITH_ANOTHER_WILL, REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"Null":{"iot:LastWillTopic":"true"}}}"#], rows: &[
        ("no Will is asked for, and there is none", "Connect", "client/c", PLAIN, ALLOWED),
        ("no Will is asked for, and there is one", "Connect", "client/c", WITH_A_WILL, REFUSED),
    ] },
];
