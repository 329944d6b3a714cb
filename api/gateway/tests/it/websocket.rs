//! `GET /mqtt`: who is let through, and what arrives of what they say.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use env::TaskKind;
use ferrite_gateway::{Gateway, Neighbours};
use futures_util::{SinkExt as _, StreamExt as _};
use policy::{Dialect, Document};
use service::{
    AccessKey, AccessKeys, ApiError, Authenticator, BoxFuture, ByteStream, Knock, Login, MqttDoor,
    Permissions, PolicySource, Principal, PrincipalKind, Refusal, Visitor, Wish,
};
use sigv4::{Credentials, Payload, Request, Scope, presign};
use testing::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use types::AccountId;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const HOST: &str = "localhost:8443";
const UPGRADE: &str = "upgrade: websocket\r\nconnection: keep-alive, Upgrade\r\n\
     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     sec-websocket-extensions: permessage-deflate\r\n";

/// A gateway that knows one access key, and a door that says back what it hears.
struct House {
    server: Server,
    gateway: Arc<Gateway>,
    around: Arc<Around>,
}

#[derive(Default)]
struct Around {
    policy: Option<Arc<Document>>,
    is_deleted: Mutex<bool>,
    visitors: Mutex<Vec<(Arc<Principal>, Arc<Permissions>)>>,
    /// How each stream ended.
    ends: Mutex<Vec<Result<(), std::io::ErrorKind>>>,
}

impl AccessKeys for Around {
    fn find<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Arc<AccessKey>>, ApiError>> {
        let key = AccessKey {
            id: id.to_owned(),
            secret: SECRET.to_owned().into(),
            account: AccountId::DEFAULT,
            arn: "arn:aws:iam::000000000000:user/u".to_owned(),
            user_id: "AIDA".to_owned(),
            policy: self.policy.clone(),
        };
        let is_known = id == "AKIA" && !*self.is_deleted.lock().unwrap();
        Box::pin(std::future::ready(Ok(is_known.then(|| Arc::new(key)))))
    }
}

fn nobody<T>() -> Result<T, Refusal> {
    Err(Refusal { reason: "UNKNOWN_CERTIFICATE", detail: "nobody knows it".to_owned() })
}

impl Authenticator for Around {
    fn authenticate<'a>(
        &'a self,
        _: &'a Knock,
        _: Option<&'a Login>,
    ) -> BoxFuture<'a, Result<Arc<Principal>, Refusal>> {
        Box::pin(std::future::ready(nobody()))
    }
}

impl PolicySource for Around {
    fn permissions<'a>(
        &'a self,
        _: &'a Arc<Principal>,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<Permissions>, Refusal>> {
        Box::pin(std::future::ready(nobody()))
    }
}

impl MqttDoor for Around {
    fn serve(
        self: Arc<Self>,
        mut stream: Box<dyn ByteStream>,
        visitor: Visitor,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let Visitor { principal, permissions } = visitor;
            self.visitors.lock().unwrap().push((principal, permissions));
            let mut buffer = [0; 7];
            let end = loop {
                match stream.read(&mut buffer).await {
                    Ok(0) => break Ok(()),
                    Ok(read) => {
                        stream.write_all(&buffer[..read]).await.unwrap();
                        stream.flush().await.unwrap();
                    }
                    Err(error) => break Err(error.kind()),
                }
            };
            self.ends.lock().unwrap().push(end);
            drop(stream.shutdown().await);
        })
    }
}

impl House {
    async fn new(policy: Option<&str>) -> Self {
        let policy = policy.map(|text| Arc::new(Document::parse(text, Dialect::Iam).unwrap()));
        let around = Arc::new(Around { policy, ..Around::default() });
        let server = Server::with(Vec::new()).await;
        let neighbours = Neighbours {
            keys: around.clone(),
            authenticator: around.clone(),
            policies: around.clone(),
            mqtt: around.clone(),
        };
        let metrics = Box::new(String::new);
        let gateway = Gateway::new(Arc::clone(server.app()), Vec::new(), neighbours, metrics);
        tokio::time::pause();
        Self { server, gateway, around }
    }

    /// The query of a request for `path` that is signed now for `service`.
    fn query(&self, service: &str, secret: &str) -> String {
        let credentials =
            Credentials { access_key_id: "AKIA", secret_access_key: secret, session_token: None };
        let headers = [("host", HOST.as_bytes())];
        let request = Request {
            method: "GET",
            raw_path: "/mqtt",
            raw_query: "",
            headers: &headers,
            payload: Payload::Bytes(b""),
        };
        let scope = Scope { region: "eu-west-1", service };
        presign(&request, &credentials, &scope, self.server.clock().now(), None)
    }

    /// Sends a head, and returns the status line and headers of the answer with the connection.
    async fn send(&self, target: &str, headers: &str) -> (String, DuplexStream) {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        let gateway = Arc::clone(&self.gateway);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
        let knock =
            Knock { door: "https", peer, local: None, server_name: None, certificate: None };
        let serve = async move { gateway.serve_connection(far, knock).await };
        self.server.app().env.tasks.spawn("connection", TaskKind::Vital, serve);
        let head = format!("GET {target} HTTP/1.1\r\nhost: {HOST}\r\n{headers}\r\n");
        near.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(near.read_u8().await.unwrap());
        }
        (String::from_utf8(answer).unwrap().to_ascii_lowercase(), near)
    }

    /// A client that was let through.
    async fn connect(&self, protocol: &str) -> WebSocketStream<DuplexStream> {
        let target = format!("/mqtt?{}", self.query("iotdevicegateway", SECRET));
        let headers = format!("{UPGRADE}sec-websocket-protocol: {protocol}\r\n");
        let (answer, stream) = self.send(&target, &headers).await;
        assert!(answer.starts_with("http/1.1 101 "), "{answer}");
        WebSocketStream::from_raw_socket(stream, Role::Client, None).await
    }

    /// How the last stream ended, once it has.
    async fn end(&self) -> Result<(), std::io::ErrorKind> {
        for _ in 0..1000 {
            if let Some(end) = self.around.ends.lock().unwrap().pop() {
                return end;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the stream goes on");
    }
}

fn binary(text: &'static str) -> Message {
    Message::Binary(Bytes::from_static(text.as_bytes()))
}

async fn heard(client: &mut WebSocketStream<DuplexStream>, bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        let message = client.next().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&message.into_data()).unwrap());
    }
    text
}

#[tokio::test]
async fn a_signed_request_is_upgraded_and_the_subprotocol_echoed() {
    let house = House::new(None).await;
    for service in ["iotdevicegateway", "iotdata"] {
        for (offered, chosen) in
            [("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"), ("chat, mqttv3.1, mqtt", "mqtt")]
        {
            let target = format!("/mqtt?{}", house.query(service, SECRET));
            let headers = format!("{UPGRADE}sec-websocket-protocol: {offered}\r\n");
            let (answer, _stream) = house.send(&target, &headers).await;
            assert!(answer.starts_with("http/1.1 101 "), "{answer}");
            // The sample of RFC 6455, in lower case.
            assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"));
            assert!(answer.contains(&format!("sec-websocket-protocol: {chosen}\r\n")), "{answer}");
            assert!(!answer.contains("extensions"), "{answer}");
        }
    }
}

#[tokio::test]
async fn the_visitor_is_whoever_signed_in_the_region_of_the_signature() {
    let house = House::new(None).await;
    let _client = house.connect("mqtt").await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (principal, permissions) = house.around.visitors.lock().unwrap().pop().unwrap();
    assert_eq!(principal.tenant.region.as_str(), "eu-west-1");
    assert_eq!(principal.id, "000000000000/AIDA");
    let arn = "arn:aws:iam::000000000000:user/u".to_owned();
    assert_eq!(principal.kind, PrincipalKind::Caller { arn });
    assert!(permissions.rights().is_unlimited);
}

#[tokio::test]
async fn the_visitor_may_do_what_the_policy_of_the_key_says() {
    let house = House::new(Some(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Publish",
            "Resource":"arn:aws:iot:*:*:topic/${aws:username}",
            "Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}}]}"#,
    ))
    .await;
    let _client = house.connect("mqtt").await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (principal, permissions) = house.around.visitors.lock().unwrap().pop().unwrap();
    let may = |action, topic| {
        let resource = principal.tenant.arn("iot", topic);
        let now = house.server.clock().now();
        permissions.rights().allows(&Wish { action, resource: &resource, context: &[], now })
    };
    assert!(may("iot:Publish", "topic/u"));
    assert!(!may("iot:Publish", "topic/v"));
    assert!(!may("iot:Receive", "topic/u"));
}

#[tokio::test]
async fn bytes_arrive_whatever_messages_they_come_in() {
    let house = House::new(None).await;
    let mut client = house.connect("mqtt").await;
    for part in ["ab", "", "cdefghijklmnop", "q"] {
        client.send(binary(part)).await.unwrap();
    }
    assert_eq!(heard(&mut client, 17).await, "abcdefghijklmnopq");
    client.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("there?".into()));
    client.send(binary("r")).await.unwrap();
    assert_eq!(heard(&mut client, 1).await, "r");
}

#[tokio::test]
async fn a_close_frame_is_the_end_and_a_loss_an_error() {
    let house = House::new(None).await;
    let mut client = house.connect("mqtt").await;
    client.close(None).await.unwrap();
    assert_eq!(house.end().await, Ok(()));
    assert!(client.next().await.unwrap().unwrap().is_close(), "the close is answered");

    drop(house.connect("mqtt").await);
    assert_eq!(house.end().await, Err(std::io::ErrorKind::UnexpectedEof));
}

#[tokio::test]
async fn text_and_messages_that_are_too_long_end_the_connection() {
    let house = House::new(None).await;
    let invalid = Err(std::io::ErrorKind::InvalidData);
    let mut client = house.connect("mqtt").await;
    client.send(Message::Text("MQTT".into())).await.unwrap();
    assert_eq!(house.end().await, invalid);

    let mut client = house.connect("mqtt").await;
    let bytes_max = house.server.app().limits.websocket_message_bytes_max;
    drop(client.send(Message::Binary(vec![0; bytes_max + 1].into())).await);
    assert_eq!(house.end().await, invalid);
}

#[tokio::test]
async fn what_is_not_signed_well_is_refused_without_an_upgrade() {
    let house = House::new(None).await;
    let offer = format!("{UPGRADE}sec-websocket-protocol: mqtt\r\n");
    let good = house.query("iotdevicegateway", SECRET);
    for (query, error) in [
        (String::new(), "missingauthenticationtokenexception"),
        (house.query("iotdevicegateway", "another secret"), "invalidsignatureexception"),
        (house.query("iot", SECRET), "invalidsignatureexception"),
        (good.replace("AKIA", "AKIX"), "unrecognizedclientexception"),
        (format!("{good}&x=y"), "invalidsignatureexception"),
    ] {
        let (answer, _) = house.send(&format!("/mqtt?{query}"), &offer).await;
        assert!(answer.starts_with("http/1.1 403 "), "{query}: {answer}");
        assert!(answer.contains(&format!("x-amzn-errortype: {error}\r\n")), "{answer}");
        assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    }
    assert!(house.around.visitors.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_upgrade_that_is_not_whole_is_refused() {
    let house = House::new(None).await;
    let target = format!("/mqtt?{}", house.query("iotdata", SECRET));
    let whole = format!("{UPGRADE}sec-websocket-protocol: mqtt\r\n");
    for headers in [
        whole.replace("sec-websocket-protocol: mqtt\r\n", ""),
        whole.replace(": mqtt\r\n", ": chat\r\n"),
        whole.replace("version: 13", "version: 8"),
        whole.replace("connection: keep-alive, Upgrade\r\n", ""),
        whole.replace("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
    ] {
        let (answer, _) = house.send(&target, &headers).await;
        assert!(answer.starts_with("http/1.1 400 "), "{headers}: {answer}");
        assert!(answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_key_that_is_deleted_ends_what_it_allowed() {
    let house = House::new(None).await;
    let _client = house.connect("mqtt").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (_, permissions) = house.around.visitors.lock().unwrap().pop().unwrap();
    assert_eq!(permissions.ending(), None);
    *house.around.is_deleted.lock().unwrap() = true;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(permissions.ending().map(|refusal| refusal.reason), Some("ACCESS_KEY_DELETED"));
}
