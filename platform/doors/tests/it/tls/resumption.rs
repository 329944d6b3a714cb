//! Resumed sessions: who the client is must not get lost, nor be got around.

use ferrite_doors::{ClientCertificate, TlsSettings};

use super::material::Material;
use super::openssl::{Openssl, P256, WITH_CERTIFICATE};
use super::{settings, tls};

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

#[tokio::test]
async fn a_resumed_session_keeps_its_certificate() {
    for version in VERSIONS {
        let client = Openssl::client_with(P256);
        let tls = tls();
        let first = format!("{WITH_CERTIFICATE} {version} -sess_out session.pem");
        let (seen, _) = client.connect(&tls, ClientCertificate::Required, &first).await;
        assert!(!seen.unwrap().is_resumed);
        // The certificate is not shown again.
        let again = format!("{version} -sess_in session.pem");
        let (seen, said) = client.connect(&tls, ClientCertificate::Required, &again).await;
        let seen = seen.unwrap();
        assert!(seen.is_resumed && said.contains("Reused, TLSv1"), "{version} {said:?}");
        assert_eq!(seen.certificate, Some(client.certificate()), "{version}");
    }
}

#[tokio::test]
async fn a_session_without_a_certificate_opens_no_other_door() {
    for version in VERSIONS {
        let client = Openssl::client();
        let tls = tls();
        let first = format!("{version} -sess_out session.pem");
        let (seen, _) = client.connect(&tls, ClientCertificate::Wanted, &first).await;
        assert_eq!(seen.unwrap().certificate, None);
        let again = format!("{version} -sess_in session.pem");
        let (seen, _) = client.connect(&tls, ClientCertificate::Required, &again).await;
        assert_eq!(seen.unwrap_err().reason(), "TLS_CERTIFICATE_MISSING", "{version}");
        let (seen, _) = client.connect(&tls, ClientCertificate::Wanted, &again).await;
        assert!(seen.unwrap().is_resumed, "{version}");
    }
}

#[tokio::test]
async fn whoever_has_such_a_session_may_still_show_a_certificate() {
    for version in VERSIONS {
        let client = Openssl::client_with(P256);
        let tls = tls();
        let first = format!("{version} -sess_out session.pem");
        client.connect(&tls, ClientCertificate::Wanted, &first).await.0.unwrap();
        let again = format!("{WITH_CERTIFICATE} {version} -sess_in session.pem");
        let (seen, _) = client.connect(&tls, ClientCertificate::Required, &again).await;
        let seen = seen.unwrap();
        assert_eq!((seen.is_resumed, seen.certificate), (false, Some(client.certificate())));
    }
}

#[tokio::test]
async fn a_session_of_another_server_begins_anew() {
    for version in VERSIONS {
        let client = Openssl::client_with(P256);
        let first = format!("{WITH_CERTIFICATE} {version} -sess_out session.pem");
        client.connect(&tls(), ClientCertificate::Required, &first).await.0.unwrap();
        let again = format!("{WITH_CERTIFICATE} {version} -sess_in session.pem");
        let (seen, _) = client.connect(&tls(), ClientCertificate::Required, &again).await;
        let seen = seen.unwrap();
        assert_eq!((seen.is_resumed, seen.certificate), (false, Some(client.certificate())));
    }
}

#[tokio::test]
async fn a_client_without_tickets_resumes_by_its_sessions_id() {
    let client = Openssl::client_with(P256);
    let tls = tls();
    let first = format!("{WITH_CERTIFICATE} -tls1_2 -no_ticket -sess_out session.pem");
    client.connect(&tls, ClientCertificate::Required, &first).await.0.unwrap();
    let again = "-tls1_2 -no_ticket -sess_in session.pem";
    let (seen, _) = client.connect(&tls, ClientCertificate::Required, again).await;
    let seen = seen.unwrap();
    assert_eq!((seen.is_resumed, seen.certificate), (true, Some(client.certificate())));
}

#[tokio::test]
async fn sessions_outlive_the_servers_certificate() {
    let material = Material::shared();
    for version in VERSIONS {
        let client = Openssl::client_with(P256);
        let tls = tls();
        let first = format!("{WITH_CERTIFICATE} {version} -sess_out session.pem");
        client.connect(&tls, ClientCertificate::Required, &first).await.0.unwrap();
        tls.replace(settings(&[&material.ec])).unwrap();
        let again = format!("{version} -sess_in session.pem");
        let (seen, _) = client.connect(&tls, ClientCertificate::Required, &again).await;
        let seen = seen.unwrap();
        assert_eq!((seen.is_resumed, seen.certificate), (true, Some(client.certificate())));
    }
}

#[tokio::test]
async fn nothing_is_resumed_where_that_is_turned_off() {
    let material = Material::shared();
    let off = TlsSettings { resumes: false, ..settings(&[&material.ec]) };
    for version in VERSIONS {
        let client = Openssl::client_with(P256);
        let tls = tls();
        let first = format!("{WITH_CERTIFICATE} {version} -sess_out session.pem");
        client.connect(&tls, ClientCertificate::Required, &first).await.0.unwrap();
        tls.replace(off.clone()).unwrap();
        let again = format!("{WITH_CERTIFICATE} {version} -sess_in session.pem");
        let (seen, said) = client.connect(&tls, ClientCertificate::Required, &again).await;
        assert!(!seen.unwrap().is_resumed, "{version}");
        assert!(!said.contains("TLS session ticket:"), "{version} {said:?}");
    }
}
