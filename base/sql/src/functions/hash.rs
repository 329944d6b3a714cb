//! Digests of texts, in hexadecimal.

use std::fmt::Write as _;

use md2::Md2;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::{Function, take};
use crate::Version;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::of_values("md2", 1, 1, hash::<Md2>),
    Function::of_values("md5", 1, 1, hash::<Md5>),
    Function::of_values("sha1", 1, 1, hash::<Sha1>),
    Function::of_values("sha224", 1, 1, hash::<Sha224>),
    Function::of_values("sha256", 1, 1, hash::<Sha256>),
    Function::of_values("sha384", 1, 1, hash::<Sha384>),
    Function::of_values("sha512", 1, 1, hash::<Sha512>),
];

fn hash<'m, D: Digest>(values: &mut [Value<'m>], _: Version) -> Value<'m> {
    let Some(text) = take(values, 0).into_text() else { return Value::Undefined };
    let digest = D::digest(text.as_bytes());
    let mut hex = String::with_capacity(2 * digest.len());
    for byte in &digest {
        write!(hex, "{byte:02x}").unwrap_or_default();
    }
    Value::text(hex)
}
