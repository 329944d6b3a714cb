//! Variables and keys of the certificate: one value, several, too many, too wild.

use super::unconfirmed::{
    INDEX_ONE_IS_THE_SECOND_VALUE, INDEX_ZERO_IS_THE_FIRST_VALUE, LIST_IN_A_RESOURCE,
    NAME_IN_OTHER_LETTERS,
};
use super::{ALLOWED, Case, Keys, REFUSED};

const COUNTRIES: Keys =
    &[("iot:Certificate.Subject.Country", &["DE", "FR", "IT", "ES", "PT", "NL"])];
const ONE_COUNTRY: Keys = &[("iot:Certificate.Subject.Country", &["DE"])];

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/${iot:Certificate.Subject.Country}"}"#], rows: &[
        ("a field with one value", "Publish", "topic/DE", ONE_COUNTRY, ALLOWED),
        ("a field with several values is the first", "Publish", "topic/DE", COUNTRIES, ALLOWED),
        ("a field with several values is not the second", "Publish", "topic/FR", COUNTRIES, REFUSED),
        ("a field that the certificate has not", "Publish", "topic/DE", &[], REFUSED),
        ("a field that only the issuer has", "Publish", "topic/DE", &[("iot:Certificate.Issuer.Country", &["DE"])], REFUSED),
        ("a field without values", "Publish", "topic/", &[("iot:Certificate.Subject.Country", &[])], REFUSED),
        ("a field whose name has other letters", "Publish", "topic/DE", &[("IOT:certificate.SUBJECT.country", &["DE"])], NAME_IN_OTHER_LETTERS),
        ("a value with a *", "Publish", "topic/D*", &[("iot:Certificate.Subject.Country", &["D*"])], REFUSED),
        ("a value with a ?", "Publish", "topic/D?", &[("iot:Certificate.Subject.Country", &["D?"])], REFUSED),
        ("a value with a $", "Publish", "topic/D$", &[("iot:Certificate.Subject.Country", &["D$"])], REFUSED),
        ("a value with a +", "Publish", "topic/D+", &[("iot:Certificate.Subject.Country", &["D+"])], REFUSED),
        ("a value with a #", "Publish", "topic/D#", &[("iot:Certificate.Subject.Country", &["D#"])], REFUSED),
        ("a value with other signs", "Publish", r#"topic/a\,b c/d\"#, &[("iot:Certificate.Subject.Country", &[r#"a\,b c/d\"#])], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":["ARN:topic/0/${iot:Certificate.Subject.Country.0}","ARN:topic/1/${iot:Certificate.Subject.Country.1}","ARN:topic/4/${iot:Certificate.Subject.Country.4}","ARN:topic/5/${iot:Certificate.Subject.Country.5}","ARN:topic/x/${iot:Certificate.Subject.Country.x}"]}"#], rows: &[
        ("index 0", "Publish", "topic/0/DE", COUNTRIES, INDEX_ZERO_IS_THE_FIRST_VALUE),
        ("index 1", "Publish", "topic/1/FR", COUNTRIES, INDEX_ONE_IS_THE_SECOND_VALUE),
        ("index 1 of one value", "Publish", "topic/1/DE", ONE_COUNTRY, REFUSED),
        ("index 4 is the last that counts", "Publish", "topic/4/PT", COUNTRIES, ALLOWED),
        ("index 5 is ignored although there is one", "Publish", "topic/5/NL", COUNTRIES, REFUSED),
        ("an index that is no number", "Publish", "topic/x/DE", COUNTRIES, REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"ARN:topic/${iot:Certificate.Subject.Country.List}/x"}"#], rows: &[
        ("a list in a resource: its first value", "Publish", "topic/DE/x", COUNTRIES, LIST_IN_A_RESOURCE),
        ("a list in a resource: its fifth value", "Publish", "topic/PT/x", COUNTRIES, LIST_IN_A_RESOURCE),
        ("a list in a resource: its sixth value is ignored", "Publish", "topic/NL/x", COUNTRIES, REFUSED),
        ("a list in a resource: all at once", "Publish", "topic/DEFR/x", COUNTRIES, REFUSED),
        ("a list in a resource: without values", "Publish", "topic/DE/x", &[], REFUSED),
        ("a list in a resource: one of the values is too wild", "Publish", "topic/DE/x", &[("iot:Certificate.Subject.Country", &["DE", "F*"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringEquals":{"iot:Certificate.Subject.Country":["FR","DE"]}}}"#], rows: &[
        ("a condition on a field sees its first value", "Publish", "topic/a", COUNTRIES, ALLOWED),
        ("a condition on a field sees no other value", "Publish", "topic/a", &[("iot:Certificate.Subject.Country", &["IT", "FR"])], REFUSED),
        ("a condition on a field without values", "Publish", "topic/a", &[("iot:Certificate.Subject.Country", &[])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringEquals":{"iot:Certificate.Subject.Country.1":"FR"}}}"#], rows: &[
        ("a condition on the second value", "Publish", "topic/a", COUNTRIES, INDEX_ONE_IS_THE_SECOND_VALUE),
        ("a condition on the second value of one", "Publish", "topic/a", &[("iot:Certificate.Subject.Country", &["FR"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"iot:Certificate.Subject.Country.List":["IT","NL"]}}}"#], rows: &[
        ("any of a list", "Publish", "topic/a", COUNTRIES, ALLOWED),
        ("any of a list, and the sixth is ignored", "Publish", "topic/a", &[("iot:Certificate.Subject.Country", &["1", "2", "3", "4", "5", "NL"])], REFUSED),
        ("any of a list without values", "Publish", "topic/a", &[], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"ForAllValues:StringEquals":{"iot:Certificate.Subject.Country.list":["DE","FR"]}}}"#], rows: &[
        ("all of a list", "Publish", "topic/a", &[("iot:Certificate.Subject.Country", &["FR", "DE"])], ALLOWED),
        ("all of a list, and one is another", "Publish", "topic/a", COUNTRIES, REFUSED),
        ("all of a list without values", "Publish", "topic/a", &[], ALLOWED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"iot:Certificate.AvailableKeys":"iot:Certificate.Subject.Title"}}}"#], rows: &[
        ("a field is available", "Publish", "topic/a", &[("iot:Certificate.AvailableKeys", &["a", "b", "c", "d", "e", "iot:Certificate.Subject.Title"])], ALLOWED),
        ("a field is not available", "Publish", "topic/a", &[("iot:Certificate.AvailableKeys", &["iot:Certificate.Subject.Country"])], REFUSED),
    ] },
    Case { policies: &[r#"{"Effect":"Allow","Action":"iot:Publish","Resource":["ARN:topic/${iot:Certificate.SerialNumber}","ARN:topic/${iot:Certificate.Subject.SerialNumber}/s","ARN:topic/${iot:Certificate.Subject.AlternativeName.DNSName}/d","ARN:topic/${iot:Certificate.Issuer.AlternativeName.DNSName.1}/i"]}"#], rows: &[
        ("the serial number of the certificate", "Publish", "topic/0a", &[("iot:Certificate.SerialNumber", &["0a"])], ALLOWED),
        ("the serial number of its subject is another", "Publish", "topic/0a/s", &[("iot:Certificate.SerialNumber", &["0a"])], REFUSED),
        ("the serial number of its subject", "Publish", "topic/7/s", &[("iot:Certificate.Subject.SerialNumber", &["7"])], ALLOWED),
        ("an alternative name", "Publish", "topic/p.example/d", &[("iot:Certificate.Subject.AlternativeName.DNSName", &["p.example", "q.example"])], ALLOWED),
        ("the issuer's second alternative name", "Publish", "topic/b/i", &[("iot:Certificate.Issuer.AlternativeName.DNSName", &["a", "b"])], ALLOWED),
    ] },
];
