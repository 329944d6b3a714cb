//! Client certificates of every kind: what counts is the key.

use ferrite_doors::{ClientCertificate, HandshakeError};

use super::material::Material;
use super::openssl::{
    ED25519, Openssl, P192, P256, P384, P521, RSA_1024, RSA_2048, RSA_PSS, SECP256K1,
    WITH_CERTIFICATE,
};
use super::{WELCOME, tls};

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];
/// Lets `openssl` use keys and digests that it holds for too weak itself.
const WEAK: &str = "-cipher ALL@SECLEVEL=0";

/// The client is let in under its certificate, in both versions.
async fn accepted(client: &Openssl, more: &str) {
    let certificate = client.certificate();
    for version in VERSIONS {
        let arguments = format!("{WITH_CERTIFICATE} {version} {more}");
        let (seen, said) = client.connect(&tls(), ClientCertificate::Required, &arguments).await;
        let seen = seen.unwrap_or_else(|error| panic!("{version}: {error}: {said:?}"));
        assert_eq!(seen.certificate.as_ref(), Some(&certificate), "{version}");
        assert!(said.contains(WELCOME), "{version} {said:?}");
    }
}

/// Why the client is refused, in one version.
async fn refused(client: &Openssl, more: &str) -> HandshakeError {
    let arguments = format!("{WITH_CERTIFICATE} {more}");
    let (seen, said) = client.connect(&tls(), ClientCertificate::Required, &arguments).await;
    assert!(!said.contains(WELCOME), "{said:?}");
    seen.unwrap_err()
}

#[tokio::test]
async fn self_signed_certificates_of_every_accepted_key_are_taken() {
    for kind in [RSA_2048, P256, P384, P521, ED25519] {
        accepted(&Openssl::client_with(kind), "").await;
    }
}

#[tokio::test]
async fn keys_for_pss_alone_are_taken_with_tls_1_3() {
    let client = Openssl::client_with(RSA_PSS);
    let arguments = format!("{WITH_CERTIFICATE} -tls1_3");
    let (seen, said) = client.connect(&tls(), ClientCertificate::Required, &arguments).await;
    assert_eq!(seen.unwrap().certificate, Some(client.certificate()), "{said:?}");
    let arguments = format!("{WITH_CERTIFICATE} -tls1_2");
    let (seen, _) = client.connect(&tls(), ClientCertificate::Required, &arguments).await;
    assert_eq!(seen.unwrap_err().reason(), "TLS_CERTIFICATE_MISSING");
}

#[tokio::test]
async fn in_tls_1_2_the_hash_is_free_of_the_curve() {
    for (kind, hash) in [(P256, "SHA384"), (P256, "SHA512"), (P384, "SHA256"), (P521, "SHA256")] {
        let client = Openssl::client_with(kind);
        let arguments = format!("{WITH_CERTIFICATE} -tls1_2 -client_sigalgs ECDSA+{hash}");
        let (seen, said) = client.connect(&tls(), ClientCertificate::Required, &arguments).await;
        assert_eq!(seen.unwrap().certificate, Some(client.certificate()), "{hash} {said:?}");
    }
}

#[tokio::test]
async fn x509_version_1_signed_by_an_authority_is_taken() {
    let client = Openssl::client_with(P256);
    client.write("ca.key", &Material::shared().ca_key_pem);
    client.run("req -new -key key.pem -subj /CN=pump -out csr.pem");
    let sign = "x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem";
    client.run(sign);
    assert!(client.run("x509 -in cert.pem -noout -text").contains("Version: 1 (0x0)"));
    accepted(&client, "").await;
}

#[tokio::test]
async fn an_expired_certificate_proves_as_much_as_another() {
    let client = Openssl::client_with(P256);
    client.run("req -new -key key.pem -subj /CN=pump -out csr.pem");
    client.run("x509 -req -in csr.pem -signkey key.pem -days -1 -out cert.pem");
    accepted(&client, "").await;
}

#[tokio::test]
async fn a_certificate_for_servers_is_taken() {
    let client = Openssl::client_with(P256);
    client.run("req -new -key key.pem -subj /CN=pump -out csr.pem");
    client.write("purpose", "extendedKeyUsage=critical,serverAuth\n1.2.3.4=critical,DER:0500\n");
    client.run("x509 -req -in csr.pem -signkey key.pem -extfile purpose -out cert.pem");
    accepted(&client, "").await;
}

#[tokio::test]
async fn how_the_certificate_was_signed_does_not_matter() {
    let client = Openssl::client_with(RSA_2048);
    client.run("req -x509 -sha1 -key key.pem -days 30 -subj /CN=pump -out cert.pem");
    accepted(&client, WEAK).await;
}

#[tokio::test]
async fn further_certificates_are_passed_over() {
    let client = Openssl::client_with(P256);
    let other = Openssl::client_with(RSA_1024);
    client.write("chain.pem", &[other.read("cert.pem"), client.read("ca.pem")].concat());
    accepted(&client, &format!("-cert_chain chain.pem {WEAK}")).await;
}

#[tokio::test]
async fn short_rsa_keys_are_refused_with_their_length() {
    let client = Openssl::client_with(RSA_1024);
    for version in VERSIONS {
        let error = refused(&client, &format!("{version} {WEAK}")).await;
        assert!(matches!(error, HandshakeError::KeyTooWeak { bits: 1024 }), "{error:?}");
    }
}

#[tokio::test]
async fn other_curves_are_refused_by_name() {
    for (kind, id) in [(P192, "1.2.840.10045.3.1.1"), (SECP256K1, "1.3.132.0.10")] {
        let client = Openssl::client_with(kind);
        let error = refused(&client, &format!("-tls1_2 {WEAK}")).await;
        assert_eq!(error.reason(), "TLS_KEY_UNSUPPORTED");
        assert!(error.to_string().contains(&format!("EC on curve {id}")), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_is_required_only_where_it_is() {
    let client = Openssl::client();
    for version in VERSIONS {
        let (seen, said) = client.connect(&tls(), ClientCertificate::Required, version).await;
        let error = seen.unwrap_err();
        assert!(matches!(error, HandshakeError::CertificateMissing), "{error:?}");
        assert!(said.contains("certificate required"), "{version} {said:?}");
        let (seen, said) = client.connect(&tls(), ClientCertificate::Wanted, version).await;
        assert_eq!(seen.unwrap().certificate, None);
        assert!(said.contains(WELCOME), "{version} {said:?}");
        assert!(said.contains("No client certificate CA names sent"), "{version} {said:?}");
    }
}

#[tokio::test]
async fn the_protocol_says_whether_a_certificate_is_required() {
    let client = Openssl::client_with(P256);
    let certificate = client.certificate();
    let check = async |alpn: &str, with: &str| {
        let arguments = format!("{alpn} {with}");
        let (seen, _) = client.connect(&tls(), ClientCertificate::ByProtocol, &arguments).await;
        seen.map(|seen| seen.certificate).map_err(|error| error.reason())
    };
    for required in ["-alpn x-amzn-mqtt-ca", "-alpn x-amzn-http-ca"] {
        assert_eq!(check(required, "").await, Err("TLS_CERTIFICATE_MISSING"));
        assert_eq!(check(required, WITH_CERTIFICATE).await, Ok(Some(certificate.clone())));
    }
    for wanted in ["", "-alpn http/1.1", "-alpn h2"] {
        assert_eq!(check(wanted, "").await, Ok(None));
        assert_eq!(check(wanted, WITH_CERTIFICATE).await, Ok(Some(certificate.clone())));
    }
    assert_eq!(check("-alpn mqtt", WITH_CERTIFICATE).await, Ok(None));
}
