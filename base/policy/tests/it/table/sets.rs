//! Set prefixes, `…IfExists` and `Null`, on a key that is missing, empty, or has several values.

use super::unconfirmed::ONE_OF_SEVERAL_VALUES;
use super::{ALLOWED, Case, REFUSED};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAllValues:StringEquals":{"k":["a","b"]}}}"#], rows: &[
        ("all equal: missing", "Connect", "*", &[], ALLOWED),
        ("all equal: empty", "Connect", "*", &[("k", &[])], ALLOWED),
        ("all equal: one", "Connect", "*", &[("k", &["a"])], ALLOWED),
        ("all equal: both", "Connect", "*", &[("k", &["b", "a"])], ALLOWED),
        ("all equal: one and another", "Connect", "*", &[("k", &["a", "c"])], REFUSED),
        ("all equal: another", "Connect", "*", &[("k", &["c"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"k":["a","b"]}}}"#], rows: &[
        ("any equal: missing", "Connect", "*", &[], REFUSED),
        ("any equal: empty", "Connect", "*", &[("k", &[])], REFUSED),
        ("any equal: one", "Connect", "*", &[("k", &["b"])], ALLOWED),
        ("any equal: one and another", "Connect", "*", &[("k", &["c", "a"])], ALLOWED),
        ("any equal: others", "Connect", "*", &[("k", &["c", "d"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAllValues:StringNotEquals":{"k":["a","b"]}}}"#], rows: &[
        ("all unequal: missing", "Connect", "*", &[], ALLOWED),
        ("all unequal: empty", "Connect", "*", &[("k", &[])], ALLOWED),
        ("all unequal: others", "Connect", "*", &[("k", &["c", "d"])], ALLOWED),
        ("all unequal: one and another", "Connect", "*", &[("k", &["c", "a"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAnyValue:StringNotEquals":{"k":["a","b"]}}}"#], rows: &[
        ("any unequal: missing", "Connect", "*", &[], REFUSED),
        ("any unequal: empty", "Connect", "*", &[("k", &[])], REFUSED),
        ("any unequal: one and another", "Connect", "*", &[("k", &["c", "a"])], ALLOWED),
        ("any unequal: both", "Connect", "*", &[("k", &["a", "b"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"k":["a","b"]}}}"#], rows: &[
        ("plain equal: missing", "Connect", "*", &[], REFUSED),
        ("plain equal: one and another", "Connect", "*", &[("k", &["c", "a"])], ONE_OF_SEVERAL_VALUES),
        ("plain equal: others", "Connect", "*", &[("k", &["c", "d"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"k":["a","b"]}}}"#], rows: &[
        ("plain unequal: missing", "Connect", "*", &[], ALLOWED),
        ("plain unequal: others", "Connect", "*", &[("k", &["c", "d"])], ALLOWED),
        ("plain unequal: one and another", "Connect", "*", &[("k", &["c", "a"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAnyValue:StringEqualsIfExists":{"k":"a"}}}"#], rows: &[
        ("any equal if it exists: missing", "Connect", "*", &[], ALLOWED),
        ("any equal if it exists: it", "Connect", "*", &[("k", &["b", "a"])], ALLOWED),
        ("any equal if it exists: another", "Connect", "*", &[("k", &["b"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAllValues:StringLikeIfExists":{"k":"a*"}}}"#], rows: &[
        ("all like if they exist: missing", "Connect", "*", &[], ALLOWED),
        ("all like if they exist: they", "Connect", "*", &[("k", &["ab", "ac"])], ALLOWED),
        ("all like if they exist: one is not", "Connect", "*", &[("k", &["ab", "b"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAnyValue:ArnLike":{"k":"arn:aws:iot:*:*:topic/a*"}}}"#], rows: &[
        ("any ARN of several", "Connect", "*", &[("k", &["arn:aws:iot:r:1:topic/b", "arn:aws:iot:r:1:topic/ab"])], ALLOWED),
        ("no ARN of several", "Connect", "*", &[("k", &["arn:aws:iot:r:1:topic/b", "topic/ab"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAllValues:NumericLessThan":{"k":"10"}}}"#], rows: &[
        ("all numbers are less", "Connect", "*", &[("k", &["1", "9.9"])], ALLOWED),
        ("one number is not less", "Connect", "*", &[("k", &["1", "10"])], REFUSED),
        ("one number is none", "Connect", "*", &[("k", &["1", "x"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Null":{"k":"true"}}}"#], rows: &[
        ("Null true: missing", "Connect", "*", &[], ALLOWED),
        ("Null true: empty", "Connect", "*", &[("k", &[])], ALLOWED),
        ("Null true: there", "Connect", "*", &[("k", &["a"])], REFUSED),
        ("Null true: an empty text is there", "Connect", "*", &[("k", &[""])], REFUSED),
        ("Null true: another key is there", "Connect", "*", &[("l", &["a"])], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Null":{"k":"false","l":false}}}"#], rows: &[
        ("Null false of two keys: missing", "Connect", "*", &[], REFUSED),
        ("Null false of two keys: one", "Connect", "*", &[("k", &["a"])], REFUSED),
        ("Null false of two keys: both", "Connect", "*", &[("k", &["a"]), ("l", &["b"])], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Null":{"k":"false"},"ForAllValues:StringEquals":{"k":"a"}}}"#], rows: &[
        ("all, and there are some: missing", "Connect", "*", &[], REFUSED),
        ("all, and there are some: they", "Connect", "*", &[("k", &["a", "a"])], ALLOWED),
        ("all, and there are some: another", "Connect", "*", &[("k", &["a", "b"])], REFUSED),
    ] },
];
