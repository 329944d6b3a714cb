//! What Ferrite's certificates look like, byte by byte.
//!
//! They are written with a plain DER writer, because a signing request's subject and key must
//! come out as they went in: repeated attributes, many-valued names, PSS keys.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use env::Random;
use types::Timestamp;
use yasna::models::ObjectIdentifier;
use yasna::tags::{TAG_GENERALIZEDTIME, TAG_UTCTIME};
use yasna::{DERWriter, Tag, construct_der};

use crate::PkiError;

/// The subject of a certificate that was made with its keys, as AWS IoT has it.
pub const DEVICE_SUBJECT: &[(NameAttribute, &str)] =
    &[(NameAttribute::CommonName, "AWS IoT Certificate")];
/// The name of Ferrite's own authority. AWS has `OU=Amazon Web Services, O=Amazon.com Inc., …`
/// there; Ferrite signs under its own name.
pub const AUTHORITY_SUBJECT: &[(NameAttribute, &str)] = &[
    (NameAttribute::OrganizationalUnit, "Ferrite"),
    (NameAttribute::Organization, "Ferrite"),
    (NameAttribute::CommonName, "Ferrite Root CA"),
];
/// How long before its making a certificate becomes valid: device clocks run late.
pub const BACKDATED: Duration = Duration::from_secs(5 * 60);
/// The end of device certificates, as AWS IoT has it, and of the authority: 2049-12-31T23:59:59Z.
pub const NOT_AFTER: Timestamp = Timestamp::from_secs(2_524_607_999);
/// How long before its end the authority is renewed, and the least that a device's certificate is
/// made for: long enough to bring a fleet a new root.
pub const RENEWED_BEFORE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The ends of what is to last: AWS IoT's, the end of the century, and the one that X.509 has for
/// what does not end (RFC 5280, 4.1.2.5).
const ENDS: [Timestamp; 3] =
    [NOT_AFTER, Timestamp::from_secs(4_102_444_799), Timestamp::from_secs(253_402_300_799)];

/// The first year that X.509 writes with four digits.
const GENERALIZED_TIME_FROM: Timestamp = Timestamp::from_secs(2_524_608_000);
/// Length of a serial number: the longest that X.509 allows.
const SERIAL_BYTES: usize = 20;
/// Length of a key identifier: 160 bits of a SHA-256 (RFC 7093, method 1).
const KEY_ID_BYTES: usize = 20;

const SHA256_WITH_RSA: &[u64] = &[1, 2, 840, 113_549, 1, 1, 11];
const SUBJECT_KEY_ID: &[u64] = &[2, 5, 29, 14];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const AUTHORITY_KEY_ID: &[u64] = &[2, 5, 29, 35];
const SUBJECT_ALTERNATIVE_NAME: &[u64] = &[2, 5, 29, 17];
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];
const SERVER_AUTH: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 1];

/// The tags of alternative names.
const DNS_NAME: u64 = 2;
const IP_ADDRESS: u64 = 7;

/// keyUsage digitalSignature: bit 0.
const DIGITAL_SIGNATURE: (u8, usize) = (0b1000_0000, 1);
/// keyUsage keyCertSign and cRLSign: bits 5 and 6.
const SIGNS_CERTIFICATES: (u8, usize) = (0b0000_0110, 7);

/// An attribute of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameAttribute {
    /// CN
    CommonName,
    /// O
    Organization,
    /// OU
    OrganizationalUnit,
}

/// What the holder of a certificate may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role<'a> {
    Device,
    Authority,
    /// With the encoded names that it serves under.
    Server(&'a [u8]),
}

/// A certificate before its signature.
pub(crate) struct Unsigned<'a> {
    pub(crate) role: Role<'a>,
    pub(crate) serial: [u8; SERIAL_BYTES],
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// An encoded name.
    pub(crate) issuer: &'a [u8],
    /// An encoded name.
    pub(crate) subject: &'a [u8],
    /// An encoded subjectPublicKeyInfo.
    pub(crate) public_key: &'a [u8],
    pub(crate) subject_key_id: &'a [u8],
    pub(crate) authority_key_id: &'a [u8],
}

impl Unsigned<'_> {
    /// The certificate, signed with SHA256withRSA.
    pub(crate) fn sign(&self, key: &KeyPair) -> Result<Vec<u8>, PkiError> {
        let body = construct_der(|writer| self.write_body(writer));
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &body, &mut signature)?;
        Ok(construct_der(|writer| {
            writer.write_sequence(|fields| {
                fields.next().write_der(&body);
                write_signature_algorithm(fields.next());
                fields.next().write_bitvec_bytes(&signature, signature.len() * 8);
            });
        }))
    }

    fn write_body(&self, writer: DERWriter<'_>) {
        writer.write_sequence(|fields| {
            fields.next().write_tagged(Tag::context(0), |version| version.write_u8(2));
            fields.next().write_bigint_bytes(&self.serial, true);
            write_signature_algorithm(fields.next());
            fields.next().write_der(self.issuer);
            fields.next().write_sequence(|validity| {
                write_time(validity.next(), self.not_before);
                write_time(validity.next(), self.not_after);
            });
            fields.next().write_der(self.subject);
            fields.next().write_der(self.public_key);
            fields.next().write_tagged(Tag::context(3), |extensions| {
                self.write_extensions(extensions);
            });
        });
    }

    fn write_extensions(&self, writer: DERWriter<'_>) {
        let is_authority = self.role == Role::Authority;
        let (usage, usage_bits) = if is_authority { SIGNS_CERTIFICATES } else { DIGITAL_SIGNATURE };
        writer.write_sequence(|extensions| {
            write_extension(extensions.next(), AUTHORITY_KEY_ID, false, |value| {
                value.write_sequence(|fields| {
                    fields.next().write_tagged_implicit(Tag::context(0), |id| {
                        id.write_bytes(self.authority_key_id);
                    });
                });
            });
            write_extension(extensions.next(), SUBJECT_KEY_ID, false, |value| {
                value.write_bytes(self.subject_key_id);
            });
            write_extension(extensions.next(), BASIC_CONSTRAINTS, true, |value| {
                value.write_sequence(|fields| {
                    // DER leaves a default out, and CA:false is one.
                    if is_authority {
                        fields.next().write_bool(true);
                    }
                });
            });
            write_extension(extensions.next(), KEY_USAGE, true, |value| {
                value.write_bitvec_bytes(&[usage], usage_bits);
            });
            if let Role::Server(names) = self.role {
                write_extension(extensions.next(), EXTENDED_KEY_USAGE, false, |value| {
                    value.write_sequence(|usages| {
                        usages.next().write_oid(&ObjectIdentifier::from_slice(SERVER_AUTH));
                    });
                });
                write_extension(extensions.next(), SUBJECT_ALTERNATIVE_NAME, false, |value| {
                    value.write_der(names);
                });
            }
        });
    }
}

/// The end of what is made at `now` and is to last: AWS IoT's for as long as that is not near.
pub(crate) fn lasting_end(now: Timestamp) -> Timestamp {
    let [.., last] = ENDS;
    ENDS.into_iter().find(|end| !is_near(*end, now)).unwrap_or(last)
}

/// Whether an authority that ends at `end` is to be renewed at `now`.
pub(crate) fn is_near(end: Timestamp, now: Timestamp) -> bool {
    now.plus(RENEWED_BEFORE) > end
}

/// The names and addresses of a server as a subjectAltName, encoded.
pub(crate) fn encode_alternative_names(names: &[String], addresses: &[IpAddr]) -> Vec<u8> {
    construct_der(|writer| {
        writer.write_sequence(|alternatives| {
            for name in names {
                alternatives.next().write_tagged_implicit(Tag::context(DNS_NAME), |value| {
                    value.write_bytes(name.as_bytes());
                });
            }
            for address in addresses {
                alternatives.next().write_tagged_implicit(Tag::context(IP_ADDRESS), |value| {
                    match address {
                        IpAddr::V4(address) => value.write_bytes(&address.octets()),
                        IpAddr::V6(address) => value.write_bytes(&address.octets()),
                    }
                });
            }
        });
    })
}

/// A name of one attribute each, encoded.
pub(crate) fn encode_name(attributes: &[(NameAttribute, &str)]) -> Vec<u8> {
    construct_der(|writer| {
        writer.write_sequence(|name| {
            for (attribute, text) in attributes {
                name.next().write_set(|set| {
                    set.next().write_sequence(|pair| {
                        pair.next().write_oid(&ObjectIdentifier::from_slice(attribute.oid()));
                        pair.next().write_utf8_string(text);
                    });
                });
            }
        });
    })
}

/// A serial number that nobody foresees, always of full length and positive.
pub(crate) fn random_serial(random: &Random) -> [u8; SERIAL_BYTES] {
    let mut serial = random.bytes::<SERIAL_BYTES>();
    let [first, ..] = &mut serial;
    *first = (*first & 0x7f) | 0x40;
    serial
}

/// The digest of a bare public key, whose first bytes identify it.
pub(crate) fn key_digest(public_key: &[u8]) -> Digest {
    digest(&SHA256, public_key)
}

/// The identifier in a key's digest.
pub(crate) fn key_id(digest: &Digest) -> &[u8] {
    digest.as_ref().first_chunk::<KEY_ID_BYTES>().expect("SHA-256 is longer than a key identifier")
}

impl NameAttribute {
    fn oid(self) -> &'static [u64] {
        match self {
            Self::CommonName => &[2, 5, 4, 3],
            Self::Organization => &[2, 5, 4, 10],
            Self::OrganizationalUnit => &[2, 5, 4, 11],
        }
    }
}

fn write_signature_algorithm(writer: DERWriter<'_>) {
    writer.write_sequence(|fields| {
        fields.next().write_oid(&ObjectIdentifier::from_slice(SHA256_WITH_RSA));
        fields.next().write_null();
    });
}

fn write_extension(
    writer: DERWriter<'_>,
    oid: &[u64],
    is_critical: bool,
    write_value: impl FnOnce(DERWriter<'_>),
) {
    writer.write_sequence(|fields| {
        fields.next().write_oid(&ObjectIdentifier::from_slice(oid));
        if is_critical {
            fields.next().write_bool(true);
        }
        fields.next().write_bytes(&construct_der(write_value));
    });
}

/// UTCTime with two digits for the year before 2050, GeneralizedTime with four from there on.
fn write_time(writer: DERWriter<'_>, time: Timestamp) {
    let digits = time.to_amz_date().replace('T', "");
    let (tag, text) = if time < GENERALIZED_TIME_FROM {
        (TAG_UTCTIME, digits.get(2..).unwrap_or_default())
    } else {
        (TAG_GENERALIZEDTIME, digits.as_str())
    };
    writer.write_tagged_implicit(tag, |value| value.write_bytes(text.as_bytes()));
}
