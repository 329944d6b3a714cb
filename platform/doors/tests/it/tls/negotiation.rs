//! Names, protocols, versions, cipher suites and the choice of the server's certificate.

use ferrite_doors::{ClientCertificate, HandshakeError, Protocol, Tls};

use super::material::Material;
use super::openssl::{Openssl, P256, WITH_CERTIFICATE};
use super::{WELCOME, settings, tls};

#[tokio::test]
async fn clients_verify_the_server_by_its_names() {
    let client = Openssl::client();
    for name in ["localhost", "a1-ats.iot.test"] {
        let more = format!("-servername {name} -verify_hostname {name} -verify_return_error");
        let (seen, said) = client.connect(&tls(), ClientCertificate::Wanted, &more).await;
        assert_eq!(seen.unwrap().server_name.as_deref(), Some(name));
        assert!(said.contains("Verify return code: 0 (ok)"), "{said:?}");
    }
    let (seen, said) = client
        .connect(&tls(), ClientCertificate::Wanted, "-noservername -verify_return_error")
        .await;
    assert_eq!(seen.unwrap().server_name, None);
    assert!(said.contains(WELCOME), "{said:?}");
}

#[tokio::test]
async fn a_name_in_capitals_is_the_same_name() {
    let more = "-servername A1-ATS.IoT.test";
    let (seen, _) = Openssl::client().connect(&tls(), ClientCertificate::Wanted, more).await;
    assert_eq!(seen.unwrap().server_name.as_deref(), Some("a1-ats.iot.test"));
}

#[tokio::test]
async fn an_address_is_no_name() {
    let more = "-servername 127.0.0.1";
    let (seen, _) = Openssl::client().connect(&tls(), ClientCertificate::Wanted, more).await;
    assert_eq!(seen.unwrap().server_name, None);
}

#[tokio::test]
async fn a_client_that_guessed_another_key_exchange_tries_again() {
    let client = Openssl::client_with(P256);
    let more = format!("{WITH_CERTIFICATE} -tls1_3 -curves P-521:P-384 -alpn x-amzn-mqtt-ca");
    let (seen, said) = client.connect(&tls(), ClientCertificate::Required, &more).await;
    let seen = seen.unwrap();
    assert_eq!(
        (seen.certificate, seen.protocol),
        (Some(client.certificate()), Some(Protocol::Mqtt))
    );
    assert!(said.contains("ALPN protocol: x-amzn-mqtt-ca\n"), "{said:?}");
}

#[tokio::test]
async fn an_unknown_name_ends_the_handshake() {
    for version in ["-tls1_2", "-tls1_3"] {
        let more = format!("-servername elsewhere.example.com {version}");
        let (seen, said) =
            Openssl::client().connect(&tls(), ClientCertificate::Wanted, &more).await;
        let error = seen.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the client asked for the server name (SNI) `elsewhere.example.com`, known are \
             localhost, *.iot.test: connect by one of these, or make the name known with \
             `endpoint_domain`"
        );
        assert_eq!(error.reason(), "TLS_UNKNOWN_SERVER_NAME");
        assert!(said.contains("alert number 112"), "{said:?}");
    }
}

#[tokio::test]
async fn the_protocol_is_echoed_in_the_order_of_the_client() {
    let client = Openssl::client_with(P256);
    let check = async |ask, alpn: &str| {
        let more = format!("{WITH_CERTIFICATE} -alpn {alpn}");
        let (seen, said) = client.connect(&tls(), ask, &more).await;
        (seen.unwrap().protocol, said)
    };
    let on_https = ClientCertificate::ByProtocol;
    for (offered, echoed, protocol) in [
        ("x-amzn-mqtt-ca", "x-amzn-mqtt-ca", Protocol::Mqtt),
        ("x-amzn-http-ca", "x-amzn-http-ca", Protocol::Http),
        ("mqtt", "mqtt", Protocol::MqttCustomAuth),
        ("http/1.1", "http/1.1", Protocol::Http),
        ("h2,http/1.1,x-amzn-mqtt-ca", "http/1.1", Protocol::Http),
        ("x-amzn-mqtt-ca,http/1.1", "x-amzn-mqtt-ca", Protocol::Mqtt),
    ] {
        let (seen, said) = check(on_https, offered).await;
        assert_eq!(seen, Some(protocol), "{offered}");
        assert!(said.contains(&format!("ALPN protocol: {echoed}\n")), "{said:?}");
    }
    for (ask, offered) in [(on_https, "h2"), (ClientCertificate::Required, "h2,mqtt,http/1.1")] {
        let (seen, said) = check(ask, offered).await;
        assert_eq!(seen, None);
        assert!(said.contains("No ALPN negotiated"), "{said:?}");
    }
    let (seen, said) = check(ClientCertificate::Required, "mqtt,x-amzn-mqtt-ca").await;
    assert_eq!(seen, Some(Protocol::Mqtt));
    assert!(said.contains("ALPN protocol: x-amzn-mqtt-ca\n"), "{said:?}");
}

#[tokio::test]
async fn version_and_suite_are_told() {
    let client = Openssl::client();
    for (more, expected) in [
        ("-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256", "TLSv1.3 TLS_AES_128_GCM_SHA256"),
        (
            "-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384",
            "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        ),
        (
            "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305",
            "TLSv1.2 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ),
    ] {
        let (seen, _) = client.connect(&tls(), ClientCertificate::Wanted, more).await;
        assert_eq!(seen.unwrap().tls, expected);
    }
}

#[tokio::test]
async fn the_client_chooses_the_kind_of_certificate() {
    let client = Openssl::client();
    let (rsa_first, ec_first) =
        ("RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA256", "ECDSA+SHA256:RSA+SHA256");
    for (more, kind) in [
        (format!("-tls1_2 -sigalgs {rsa_first}"), "RSA-PSS"),
        (format!("-tls1_3 -sigalgs {rsa_first}"), "RSA-PSS"),
        ("-tls1_2 -sigalgs RSA+SHA256:ECDSA+SHA256".to_owned(), "RSA"),
        // PKCS#1 signs no handshakes of TLS 1.3.
        ("-tls1_3 -sigalgs RSA+SHA256:ECDSA+SHA256:RSA-PSS+SHA256".to_owned(), "ECDSA"),
        (format!("-tls1_2 -sigalgs {ec_first}"), "ECDSA"),
        (format!("-tls1_3 -sigalgs {ec_first}"), "ECDSA"),
        ("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256".to_owned(), "RSA-PSS"),
    ] {
        let (seen, said) = client.connect(&tls(), ClientCertificate::Wanted, &more).await;
        seen.unwrap_or_else(|error| panic!("{more}: {error}"));
        assert!(said.contains(&format!("Peer signature type: {kind}\n")), "{more} {said:?}");
    }
}

#[tokio::test]
async fn one_identity_is_enough() {
    let material = Material::shared();
    for (identity, kind) in [(&material.rsa, "RSA-PSS"), (&material.ec, "ECDSA")] {
        let tls = Tls::new(settings(&[identity])).unwrap();
        for version in ["-tls1_2", "-tls1_3"] {
            let (seen, said) =
                Openssl::client().connect(&tls, ClientCertificate::Wanted, version).await;
            seen.unwrap();
            assert!(said.contains(&format!("Peer signature type: {kind}\n")), "{said:?}");
        }
    }
}

#[tokio::test]
async fn suites_without_a_common_one_are_listed() {
    let client = Openssl::client();
    let connect = async |more: &str| {
        let (seen, said) = client.connect(&tls(), ClientCertificate::Wanted, more).await;
        assert!(said.contains("handshake failure"), "{said:?}");
        seen.unwrap_err()
    };
    let error = connect("-tls1_2 -cipher AES128-SHA").await;
    assert_eq!(error.reason(), "TLS_NO_SHARED_CIPHER");
    let HandshakeError::NoSharedCipher { offered } = error else { panic!("{error:?}") };
    assert_eq!(offered, "TLS_RSA_WITH_AES_128_CBC_SHA");
    let error = connect("-tls1_2 -cipher ECDHE-RSA-AES256-SHA384:AES256-SHA").await;
    let HandshakeError::NoSharedCipher { offered } = error else { panic!("{error:?}") };
    assert_eq!(offered, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384, TLS_RSA_WITH_AES_256_CBC_SHA");
    let many = "-tls1_2 -cipher ALL:!ECDHE@SECLEVEL=0";
    let HandshakeError::NoSharedCipher { offered } = connect(many).await else { panic!() };
    assert_eq!(offered.split(", ").count(), 20, "{offered}");
}

#[tokio::test]
async fn a_suite_of_another_key_kind_is_no_common_one() {
    let tls = Tls::new(settings(&[&Material::shared().ec])).unwrap();
    let more = "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256";
    let (seen, _) = Openssl::client().connect(&tls, ClientCertificate::Wanted, more).await;
    assert_eq!(seen.unwrap_err().reason(), "TLS_NO_SHARED_CIPHER");
}

#[tokio::test]
async fn groups_and_schemes_without_a_common_one_are_named() {
    for (more, lacking) in [
        ("-tls1_2 -curves P-521", "key exchange group"),
        ("-tls1_3 -curves P-521", "key exchange group"),
        ("-tls1_3 -sigalgs ed25519", "signature scheme"),
    ] {
        let (seen, _) = Openssl::client().connect(&tls(), ClientCertificate::Wanted, more).await;
        let error = seen.unwrap_err();
        assert_eq!(error.reason(), "TLS_NO_SHARED_PARAMETERS", "{more}");
        assert!(error.to_string().starts_with(&format!("no {lacking} in common")), "{error}");
    }
}

#[tokio::test]
async fn old_versions_are_named() {
    for (version, name) in [("-tls1", "TLS 1.0"), ("-tls1_1", "TLS 1.1")] {
        let more = format!("{version} -cipher ALL@SECLEVEL=0");
        let (seen, _) = Openssl::client().connect(&tls(), ClientCertificate::Wanted, &more).await;
        let error = seen.unwrap_err();
        assert_eq!(error.reason(), "TLS_NO_SHARED_VERSION");
        assert!(error.to_string().contains(&format!("offers at most {name},")), "{error}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_root_is_told_about() {
    let client = Openssl::client();
    // Another root under the same name.
    client.run("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=Other -out ca.pem");
    for version in ["-tls1_2", "-tls1_3"] {
        let more = format!("-verify_return_error {version}");
        let (seen, _) = client.connect(&tls(), ClientCertificate::Wanted, &more).await;
        let error = seen.unwrap_err();
        assert_eq!(error.reason(), "TLS_CLIENT_ALERT");
        let text = error.to_string();
        assert!(text.contains("`unknown_ca`") && text.contains("ca/root-ca.pem"), "{text}");
    }
}
