//! Variables and keys of the thing that a connection is bound to.

use super::unconfirmed::NAME_IN_OTHER_LETTERS;
use super::{ALLOWED, Case, Keys, REFUSED};

/// What is known of a connection that is bound to its thing.
const LAMP: Keys = &[
    ("iot:ClientId", &["lamp"]),
    ("iot:Connection.Thing.ThingName", &["lamp"]),
    ("iot:Connection.Thing.ThingTypeName", &["Lamp"]),
    ("iot:Connection.Thing.Attributes[site]", &["north"]),
    ("iot:Connection.Thing.Attributes[a.b:c]", &["x"]),
    ("iot:Connection.Thing.IsAttached", &["true"]),
];
/// What is known of one that is not.
const STRAY: Keys = &[("iot:ClientId", &["lamp"]), ("iot:Connection.Thing.IsAttached", &["false"])];

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/${iot:Connection.Thing.ThingName}"}"#], rows: &[
        ("a client with its thing's name", "Connect", "client/lamp", LAMP, ALLOWED),
        ("a client with another name than its thing's", "Connect", "client/other", LAMP, REFUSED),
        ("a client without a thing", "Connect", "client/lamp", STRAY, REFUSED),
        ("over HTTP nobody has a thing", "Connect", "client/lamp", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/${iot:Connection.Thing.ThingTypeName}/${iot:Connection.Thing.Attributes[site]}/${iot:Connection.Thing.ThingName}"}"#], rows: &[
        ("type, attribute and name of the thing", "Publish", "topic/Lamp/north/lamp", LAMP, ALLOWED),
        ("another attribute than the thing's", "Publish", "topic/Lamp/south/lamp", LAMP, REFUSED),
        ("the type in other letters", "Publish", "topic/lamp/north/lamp", LAMP, REFUSED),
        ("a thing without a type", "Publish", "topic/Lamp/north/lamp", &[("iot:Connection.Thing.ThingName", &["lamp"]), ("iot:Connection.Thing.Attributes[site]", &["north"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":["ARN:topic/a/${iot:Connection.Thing.Attributes[SITE]}","ARN:topic/b/${iot:Connection.Thing.Attributes[a.b:c]}","ARN:topic/c/${iot:Connection.Thing.Attributes[floor]}"]}"#], rows: &[
        ("an attribute's name in other letters", "Publish", "topic/a/north", LAMP, NAME_IN_OTHER_LETTERS),
        ("an attribute's name with a dot and a colon", "Publish", "topic/b/x", LAMP, ALLOWED),
        ("an attribute that the thing has not", "Publish", "topic/c/1", LAMP, REFUSED),
        ("an attribute that the thing has not is not empty", "Publish", "topic/c/", LAMP, REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"ARN:client/${iot:ClientId}","Condition":{"Bool":{"iot:Connection.Thing.IsAttached":["true"]}}}"#], rows: &[
        ("attached", "Connect", "client/lamp", LAMP, ALLOWED),
        ("not attached", "Connect", "client/lamp", STRAY, REFUSED),
        ("nobody knows whether attached", "Connect", "client/lamp", &[("iot:ClientId", &["lamp"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"Bool":{"iot:Connection.Thing.IsAttached":"false"}}}"#], rows: &[
        ("unattached is asked for, and it is", "Connect", "client/lamp", STRAY, ALLOWED),
        ("unattached is asked for, and it is not", "Connect", "client/lamp", LAMP, REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringEquals":{"iot:Connection.Thing.Attributes[site]":["north","south"],"iot:Connection.Thing.ThingTypeName":"Lamp"}}}"#], rows: &[
        ("conditions on an attribute and the type", "Publish", "topic/a", LAMP, ALLOWED),
        ("conditions on an attribute without the type", "Publish", "topic/a", &[("iot:Connection.Thing.Attributes[site]", &["south"])], REFUSED),
        ("conditions on an attribute of a stray client", "Publish", "topic/a", STRAY, REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"StringEquals":{"iot:ClientId":"${iot:Connection.Thing.ThingName}"}}}"#], rows: &[
        ("a condition that the client is its thing", "Connect", "client/lamp", LAMP, ALLOWED),
        ("a condition that the client is its thing, without one", "Connect", "client/lamp", STRAY, REFUSED),
        ("a condition that the client is its thing, and is another", "Connect", "client/c", &[("iot:ClientId", &["c"]), ("iot:Connection.Thing.ThingName", &["lamp"])], REFUSED),
    ] },
];
