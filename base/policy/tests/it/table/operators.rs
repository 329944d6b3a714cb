//! Every operator on a value that satisfies it, on one that does not, and on none; and so with
//! `…IfExists`.

use super::unconfirmed::ARN_PATTERN_WITH_TOO_FEW_PARTS;
use super::{ALLOWED, Case, REFUSED};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"k":"a"}}}"#], rows: &[
        ("StringEquals: the same", "Connect", "*", &[("k", &["a"])], ALLOWED),
        ("StringEquals: other letters", "Connect", "*", &[("k", &["A"])], REFUSED),
        ("StringEquals: more", "Connect", "*", &[("k", &["ab"])], REFUSED),
        ("StringEquals: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqualsIfExists":{"k":"a"}}}"#], rows: &[
        ("StringEqualsIfExists: the same", "Connect", "*", &[("k", &["a"])], ALLOWED),
        ("StringEqualsIfExists: other letters", "Connect", "*", &[("k", &["A"])], REFUSED),
        ("StringEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"k":"a"}}}"#], rows: &[
        ("StringNotEquals: another", "Connect", "*", &[("k", &["b"])], ALLOWED),
        ("StringNotEquals: the same", "Connect", "*", &[("k", &["a"])], REFUSED),
        ("StringNotEquals: other letters", "Connect", "*", &[("k", &["A"])], ALLOWED),
        ("StringNotEquals: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotEqualsIfExists":{"k":"a"}}}"#], rows: &[
        ("StringNotEqualsIfExists: another", "Connect", "*", &[("k", &["b"])], ALLOWED),
        ("StringNotEqualsIfExists: the same", "Connect", "*", &[("k", &["a"])], REFUSED),
        ("StringNotEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqualsIgnoreCase":{"k":"aB"}}}"#], rows: &[
        ("StringEqualsIgnoreCase: other letters", "Connect", "*", &[("k", &["Ab"])], ALLOWED),
        ("StringEqualsIgnoreCase: another", "Connect", "*", &[("k", &["ac"])], REFUSED),
        ("StringEqualsIgnoreCase: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqualsIgnoreCaseIfExists":{"k":"aB"}}}"#], rows: &[
        ("StringEqualsIgnoreCaseIfExists: other letters", "Connect", "*", &[("k", &["Ab"])], ALLOWED),
        ("StringEqualsIgnoreCaseIfExists: another", "Connect", "*", &[("k", &["ac"])], REFUSED),
        ("StringEqualsIgnoreCaseIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotEqualsIgnoreCase":{"k":"aB"}}}"#], rows: &[
        ("StringNotEqualsIgnoreCase: another", "Connect", "*", &[("k", &["ac"])], ALLOWED),
        ("StringNotEqualsIgnoreCase: other letters", "Connect", "*", &[("k", &["Ab"])], REFUSED),
        ("StringNotEqualsIgnoreCase: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotEqualsIgnoreCaseIfExists":{"k":"aB"}}}"#], rows: &[
        ("StringNotEqualsIgnoreCaseIfExists: another", "Connect", "*", &[("k", &["ac"])], ALLOWED),
        ("StringNotEqualsIgnoreCaseIfExists: other letters", "Connect", "*", &[("k", &["Ab"])], REFUSED),
        ("StringNotEqualsIgnoreCaseIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"k":"a*c?"}}}"#], rows: &[
        ("StringLike: what fits", "Connect", "*", &[("k", &["abbcd"])], ALLOWED),
        ("StringLike: other letters", "Connect", "*", &[("k", &["Abbcd"])], REFUSED),
        ("StringLike: what is too short", "Connect", "*", &[("k", &["abc"])], REFUSED),
        ("StringLike: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLikeIfExists":{"k":"a*c?"}}}"#], rows: &[
        ("StringLikeIfExists: what fits", "Connect", "*", &[("k", &["abbcd"])], ALLOWED),
        ("StringLikeIfExists: other letters", "Connect", "*", &[("k", &["Abbcd"])], REFUSED),
        ("StringLikeIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotLike":{"k":"a*c?"}}}"#], rows: &[
        ("StringNotLike: what does not fit", "Connect", "*", &[("k", &["abc"])], ALLOWED),
        ("StringNotLike: what fits", "Connect", "*", &[("k", &["abbcd"])], REFUSED),
        ("StringNotLike: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotLikeIfExists":{"k":"a*c?"}}}"#], rows: &[
        ("StringNotLikeIfExists: what does not fit", "Connect", "*", &[("k", &["abc"])], ALLOWED),
        ("StringNotLikeIfExists: what fits", "Connect", "*", &[("k", &["abbcd"])], REFUSED),
        ("StringNotLikeIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericEquals":{"k":"10"}}}"#], rows: &[
        ("NumericEquals: the same in other digits", "Connect", "*", &[("k", &["10.0"])], ALLOWED),
        ("NumericEquals: another", "Connect", "*", &[("k", &["11"])], REFUSED),
        ("NumericEquals: no number", "Connect", "*", &[("k", &["ten"])], REFUSED),
        ("NumericEquals: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericEqualsIfExists":{"k":"10"}}}"#], rows: &[
        ("NumericEqualsIfExists: the same in other digits", "Connect", "*", &[("k", &["10.0"])], ALLOWED),
        ("NumericEqualsIfExists: another", "Connect", "*", &[("k", &["11"])], REFUSED),
        ("NumericEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericNotEquals":{"k":10}}}"#], rows: &[
        ("NumericNotEquals: another", "Connect", "*", &[("k", &["11"])], ALLOWED),
        ("NumericNotEquals: the same in other digits", "Connect", "*", &[("k", &["1e1"])], REFUSED),
        ("NumericNotEquals: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericNotEqualsIfExists":{"k":10}}}"#], rows: &[
        ("NumericNotEqualsIfExists: another", "Connect", "*", &[("k", &["11"])], ALLOWED),
        ("NumericNotEqualsIfExists: the same in other digits", "Connect", "*", &[("k", &["1e1"])], REFUSED),
        ("NumericNotEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericLessThan":{"k":"-1.5"}}}"#], rows: &[
        ("NumericLessThan: less", "Connect", "*", &[("k", &["-2"])], ALLOWED),
        ("NumericLessThan: the same", "Connect", "*", &[("k", &["-1.5"])], REFUSED),
        ("NumericLessThan: more", "Connect", "*", &[("k", &["0"])], REFUSED),
        ("NumericLessThan: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericLessThanIfExists":{"k":"-1.5"}}}"#], rows: &[
        ("NumericLessThanIfExists: less", "Connect", "*", &[("k", &["-2"])], ALLOWED),
        ("NumericLessThanIfExists: the same", "Connect", "*", &[("k", &["-1.5"])], REFUSED),
        ("NumericLessThanIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericLessThanEquals":{"k":"10"}}}"#], rows: &[
        ("NumericLessThanEquals: less", "Connect", "*", &[("k", &["9.99"])], ALLOWED),
        ("NumericLessThanEquals: the same", "Connect", "*", &[("k", &["10"])], ALLOWED),
        ("NumericLessThanEquals: more", "Connect", "*", &[("k", &["10.01"])], REFUSED),
        ("NumericLessThanEquals: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericLessThanEqualsIfExists":{"k":"10"}}}"#], rows: &[
        ("NumericLessThanEqualsIfExists: less", "Connect", "*", &[("k", &["9.99"])], ALLOWED),
        ("NumericLessThanEqualsIfExists: more", "Connect", "*", &[("k", &["10.01"])], REFUSED),
        ("NumericLessThanEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericGreaterThan":{"k":"10"}}}"#], rows: &[
        ("NumericGreaterThan: more", "Connect", "*", &[("k", &["10.01"])], ALLOWED),
        ("NumericGreaterThan: the same", "Connect", "*", &[("k", &["10"])], REFUSED),
        ("NumericGreaterThan: more only as text", "Connect", "*", &[("k", &["9"])], REFUSED),
        ("NumericGreaterThan: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericGreaterThanIfExists":{"k":"10"}}}"#], rows: &[
        ("NumericGreaterThanIfExists: more", "Connect", "*", &[("k", &["10.01"])], ALLOWED),
        ("NumericGreaterThanIfExists: the same", "Connect", "*", &[("k", &["10"])], REFUSED),
        ("NumericGreaterThanIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericGreaterThanEquals":{"k":"10"}}}"#], rows: &[
        ("NumericGreaterThanEquals: more", "Connect", "*", &[("k", &["100"])], ALLOWED),
        ("NumericGreaterThanEquals: the same", "Connect", "*", &[("k", &["10"])], ALLOWED),
        ("NumericGreaterThanEquals: less", "Connect", "*", &[("k", &["9"])], REFUSED),
        ("NumericGreaterThanEquals: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericGreaterThanEqualsIfExists":{"k":"10"}}}"#], rows: &[
        ("NumericGreaterThanEqualsIfExists: more", "Connect", "*", &[("k", &["100"])], ALLOWED),
        ("NumericGreaterThanEqualsIfExists: less", "Connect", "*", &[("k", &["9"])], REFUSED),
        ("NumericGreaterThanEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateEquals":{"k":"2026-01-02T01:00:00+01:00"}}}"#], rows: &[
        ("DateEquals: the same moment elsewhere", "Connect", "*", &[("k", &["2026-01-02T00:00:00Z"])], ALLOWED),
        ("DateEquals: another moment", "Connect", "*", &[("k", &["2026-01-02T00:00:01Z"])], REFUSED),
        ("DateEquals: no date", "Connect", "*", &[("k", &["soon"])], REFUSED),
        ("DateEquals: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateEqualsIfExists":{"k":"2026-01-02T01:00:00+01:00"}}}"#], rows: &[
        ("DateEqualsIfExists: the same moment elsewhere", "Connect", "*", &[("k", &["2026-01-02T00:00:00Z"])], ALLOWED),
        ("DateEqualsIfExists: another moment", "Connect", "*", &[("k", &["2026-01-02T00:00:01Z"])], REFUSED),
        ("DateEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateNotEquals":{"k":"2026-01-02"}}}"#], rows: &[
        ("DateNotEquals: another moment", "Connect", "*", &[("k", &["2026-01-02T00:00:01Z"])], ALLOWED),
        ("DateNotEquals: the same moment", "Connect", "*", &[("k", &["2026-01-02T00:00:00Z"])], REFUSED),
        ("DateNotEquals: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateNotEqualsIfExists":{"k":"2026-01-02"}}}"#], rows: &[
        ("DateNotEqualsIfExists: another moment", "Connect", "*", &[("k", &["2026-01-02T00:00:01Z"])], ALLOWED),
        ("DateNotEqualsIfExists: the same moment", "Connect", "*", &[("k", &["2026-01-02T00:00:00Z"])], REFUSED),
        ("DateNotEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateLessThan":{"k":"2026-01-02"}}}"#], rows: &[
        ("DateLessThan: the second before", "Connect", "*", &[("k", &["2026-01-01T23:59:59Z"])], ALLOWED),
        ("DateLessThan: the same moment", "Connect", "*", &[("k", &["2026-01-02T00:00:00Z"])], REFUSED),
        ("DateLessThan: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateLessThanIfExists":{"k":"2026-01-02"}}}"#], rows: &[
        ("DateLessThanIfExists: the second before", "Connect", "*", &[("k", &["2026-01-01T23:59:59Z"])], ALLOWED),
        ("DateLessThanIfExists: the same moment", "Connect", "*", &[("k", &["2026-01-02T00:00:00Z"])], REFUSED),
        ("DateLessThanIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateLessThanEquals":{"k":"2026-01-02"}}}"#], rows: &[
        ("DateLessThanEquals: the same moment", "Connect", "*", &[("k", &["2026-01-02T00:00:00Z"])], ALLOWED),
        ("DateLessThanEquals: the second after", "Connect", "*", &[("k", &["2026-01-02T00:00:01Z"])], REFUSED),
        ("DateLessThanEquals: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateLessThanEqualsIfExists":{"k":"2026-01-02"}}}"#], rows: &[
        ("DateLessThanEqualsIfExists: the same moment", "Connect", "*", &[("k", &["2026-01-02T00:00:00Z"])], ALLOWED),
        ("DateLessThanEqualsIfExists: the second after", "Connect", "*", &[("k", &["2026-01-02T00:00:01Z"])], REFUSED),
        ("DateLessThanEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateGreaterThan":{"k":"2026-01-02"}}}"#], rows: &[
        ("DateGreaterThan: the second after", "Connect", "*", &[("k", &["2026-01-02T00:00:01Z"])], ALLOWED),
        ("DateGreaterThan: the same moment", "Connect", "*", &[("k", &["2026-01-02T00:00:00Z"])], REFUSED),
        ("DateGreaterThan: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateGreaterThanIfExists":{"k":"2026-01-02"}}}"#], rows: &[
        ("DateGreaterThanIfExists: the second after", "Connect", "*", &[("k", &["2026-01-02T00:00:01Z"])], ALLOWED),
        ("DateGreaterThanIfExists: the same moment", "Connect", "*", &[("k", &["2026-01-02T00:00:00Z"])], REFUSED),
        ("DateGreaterThanIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateGreaterThanEquals":{"k":"2026-01-02"}}}"#], rows: &[
        ("DateGreaterThanEquals: the same moment in seconds", "Connect", "*", &[("k", &["1767312000"])], ALLOWED),
        ("DateGreaterThanEquals: a second less", "Connect", "*", &[("k", &["1767311999"])], REFUSED),
        ("DateGreaterThanEquals: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateGreaterThanEqualsIfExists":{"k":"2026-01-02"}}}"#], rows: &[
        ("DateGreaterThanEqualsIfExists: the same moment in seconds", "Connect", "*", &[("k", &["1767312000"])], ALLOWED),
        ("DateGreaterThanEqualsIfExists: a second less", "Connect", "*", &[("k", &["1767311999"])], REFUSED),
        ("DateGreaterThanEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"k":"true"}}}"#], rows: &[
        ("Bool: true", "Connect", "*", &[("k", &["true"])], ALLOWED),
        ("Bool: false", "Connect", "*", &[("k", &["false"])], REFUSED),
        ("Bool: neither", "Connect", "*", &[("k", &["1"])], REFUSED),
        ("Bool: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"BoolIfExists":{"k":"true"}}}"#], rows: &[
        ("BoolIfExists: true", "Connect", "*", &[("k", &["true"])], ALLOWED),
        ("BoolIfExists: false", "Connect", "*", &[("k", &["false"])], REFUSED),
        ("BoolIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"BinaryEquals":{"k":"QmluYXJ5"}}}"#], rows: &[
        ("BinaryEquals: the same", "Connect", "*", &[("k", &["QmluYXJ5"])], ALLOWED),
        ("BinaryEquals: other letters", "Connect", "*", &[("k", &["QMLUYXJ5"])], REFUSED),
        ("BinaryEquals: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"BinaryEqualsIfExists":{"k":"QmluYXJ5"}}}"#], rows: &[
        ("BinaryEqualsIfExists: the same", "Connect", "*", &[("k", &["QmluYXJ5"])], ALLOWED),
        ("BinaryEqualsIfExists: other letters", "Connect", "*", &[("k", &["QMLUYXJ5"])], REFUSED),
        ("BinaryEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"k":["10.1.0.0/16","2001:db8::/32","192.0.2.7"]}}}"#], rows: &[
        ("IpAddress: in the range", "Connect", "*", &[("k", &["10.1.255.255"])], ALLOWED),
        ("IpAddress: in the range as IPv6", "Connect", "*", &[("k", &["::ffff:10.1.2.3"])], ALLOWED),
        ("IpAddress: beside the range", "Connect", "*", &[("k", &["10.2.0.0"])], REFUSED),
        ("IpAddress: in the range of IPv6", "Connect", "*", &[("k", &["2001:db8::1"])], ALLOWED),
        ("IpAddress: beside the range of IPv6", "Connect", "*", &[("k", &["2001:db9::1"])], REFUSED),
        ("IpAddress: the single one", "Connect", "*", &[("k", &["192.0.2.7"])], ALLOWED),
        ("IpAddress: beside the single one", "Connect", "*", &[("k", &["192.0.2.8"])], REFUSED),
        ("IpAddress: no address", "Connect", "*", &[("k", &["nowhere"])], REFUSED),
        ("IpAddress: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddressIfExists":{"k":["10.1.0.0/16","2001:db8::/32","192.0.2.7"]}}}"#], rows: &[
        ("IpAddressIfExists: in the range", "Connect", "*", &[("k", &["10.1.255.255"])], ALLOWED),
        ("IpAddressIfExists: beside the range", "Connect", "*", &[("k", &["10.2.0.0"])], REFUSED),
        ("IpAddressIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NotIpAddress":{"k":"10.1.0.0/16"}}}"#], rows: &[
        ("NotIpAddress: beside the range", "Connect", "*", &[("k", &["10.2.0.0"])], ALLOWED),
        ("NotIpAddress: in the range", "Connect", "*", &[("k", &["10.1.0.0"])], REFUSED),
        ("NotIpAddress: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NotIpAddressIfExists":{"k":"10.1.0.0/16"}}}"#], rows: &[
        ("NotIpAddressIfExists: beside the range", "Connect", "*", &[("k", &["10.2.0.0"])], ALLOWED),
        ("NotIpAddressIfExists: in the range", "Connect", "*", &[("k", &["10.1.0.0"])], REFUSED),
        ("NotIpAddressIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnEquals":{"k":"arn:aws:iot:*:123456789012:topic/*"}}}"#], rows: &[
        ("ArnEquals: what fits", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/a"])], ALLOWED),
        ("ArnEquals: another account", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:000000000000:topic/a"])], REFUSED),
        ("ArnEquals: no ARN", "Connect", "*", &[("k", &["topic/a"])], REFUSED),
        ("ArnEquals: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnEqualsIfExists":{"k":"arn:aws:iot:*:123456789012:topic/*"}}}"#], rows: &[
        ("ArnEqualsIfExists: what fits", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/a"])], ALLOWED),
        ("ArnEqualsIfExists: another account", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:000000000000:topic/a"])], REFUSED),
        ("ArnEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnLike":{"k":"arn:aws:iot:us-east-1:123456789012:topic/?"}}}"#], rows: &[
        ("ArnLike: what fits", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/a"])], ALLOWED),
        ("ArnLike: what is too long", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/ab"])], REFUSED),
        ("ArnLike: nothing", "Connect", "*", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnLikeIfExists":{"k":"arn:aws:iot:us-east-1:123456789012:topic/?"}}}"#], rows: &[
        ("ArnLikeIfExists: what fits", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/a"])], ALLOWED),
        ("ArnLikeIfExists: what is too long", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/ab"])], REFUSED),
        ("ArnLikeIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnNotEquals":{"k":"arn:aws:iot:*:123456789012:topic/*"}}}"#], rows: &[
        ("ArnNotEquals: another type", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:client/a"])], ALLOWED),
        ("ArnNotEquals: what fits", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/a"])], REFUSED),
        ("ArnNotEquals: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnNotEqualsIfExists":{"k":"arn:aws:iot:*:123456789012:topic/*"}}}"#], rows: &[
        ("ArnNotEqualsIfExists: another type", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:client/a"])], ALLOWED),
        ("ArnNotEqualsIfExists: what fits", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/a"])], REFUSED),
        ("ArnNotEqualsIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnNotLike":{"k":"arn:aws:iot:us-east-1:123456789012:topic/?"}}}"#], rows: &[
        ("ArnNotLike: what is too long", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/ab"])], ALLOWED),
        ("ArnNotLike: what fits", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/a"])], REFUSED),
        ("ArnNotLike: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnNotLikeIfExists":{"k":"arn:aws:iot:us-east-1:123456789012:topic/?"}}}"#], rows: &[
        ("ArnNotLikeIfExists: what is too long", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/ab"])], ALLOWED),
        ("ArnNotLikeIfExists: what fits", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/a"])], REFUSED),
        ("ArnNotLikeIfExists: nothing", "Connect", "*", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnLike":{"k":"arn:aws:iot:*:topic/*"}}}"#, r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnLike":{"l":"*"}}}"#, r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnLike":{"m":"arn:aws:iot:*"}}}"#], rows: &[
        ("ArnLike: a pattern with too few parts", "Connect", "*", &[("m", &["arn:aws:iot:us-east-1:123456789012:topic/a"])], ARN_PATTERN_WITH_TOO_FEW_PARTS),
        ("ArnLike: a * does not cross colons", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/a"])], REFUSED),
        ("ArnLike: a * alone is every ARN", "Connect", "*", &[("l", &["arn:aws:iot:us-east-1:123456789012:topic/a:b"])], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnLike":{"k":"arn:aws:iot:*:*:topic/a:*"}}}"#], rows: &[
        ("ArnLike: colons of a topic belong to it", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/a:b:c"])], ALLOWED),
        ("ArnLike: a value with too few parts", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1"])], REFUSED),
        ("ArnLike: colons of a topic have to be there", "Connect", "*", &[("k", &["arn:aws:iot:us-east-1:123456789012:topic/a"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"k":[true]},"NumericLessThan":{"n":5}}}"#], rows: &[
        ("values of a policy may be no texts", "Connect", "*", &[("k", &["TRUE"]), ("n", &["4"])], ALLOWED),
        ("values of a policy that are no texts count", "Connect", "*", &[("k", &["TRUE"]), ("n", &["6"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"DateLessThan":{"AWS:currenttime":"2026-02-01T00:00:00Z"}}}"#], rows: &[
        ("in the span of two dates", "Connect", "*", &[("aws:CurrentTime", &["2026-01-15T00:00:00Z"])], ALLOWED),
        ("before the span of two dates", "Connect", "*", &[("aws:CurrentTime", &["2025-12-31T00:00:00Z"])], REFUSED),
        ("behind the span of two dates", "Connect", "*", &[("aws:CurrentTime", &["2026-02-01T00:00:00Z"])], REFUSED),
    ] },
];
