//! A tenant and clients of it, for tests of the broker's parts.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use mqtt::{QoS, RetainHandling, SubscriptionOptions, TopicFilter, Version};
use service::{Knock, Permissions, Principal, PrincipalKind, Rights};
use types::{AccountId, Tenant, TenantId, Timestamp};
use uuid::Uuid;

use crate::mailbox::{Mailbox, MailboxLimits};
use crate::space::Client;
use crate::subscriptions::Held;

/// A tenant with this number.
pub(crate) fn tenant(id: TenantId) -> Tenant {
    Tenant { id, account: AccountId::DEFAULT, region: "us-east-1".parse().unwrap() }
}

/// The client with this number, who may do nothing.
pub(crate) fn client(number: u64) -> Arc<Client> {
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
    let principal = Principal {
        tenant: tenant(TenantId(1)),
        id: "c0ffee".to_owned(),
        kind: PrincipalKind::Administrator,
        knock: Knock { door: "mqtt", peer, local: None, server_name: None, certificate: None },
    };
    Arc::new(Client {
        number,
        id: number.to_string().into(),
        version: Version::V5,
        principal: Arc::new(principal),
        permissions: Arc::new(Permissions::new(Rights::default())),
        mailbox: Mailbox::new(MailboxLimits { messages_max: 1, bytes_max: 1000 }),
        subscriptions: Arc::default(),
        kept: None,
        bringing: std::sync::atomic::AtomicUsize::new(0),
        asked: std::sync::atomic::AtomicUsize::new(0),
        session_id: Uuid::nil(),
        version_number: 0,
        connected_at: Timestamp::EPOCH,
        is_clean: true,
        keep_alive_s: 60,
    })
}

/// A subscription to `filter`.
pub(crate) fn held(filter: &str, qos: QoS) -> Held {
    let options = SubscriptionOptions {
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Send,
    };
    Held { filter: TopicFilter::parse(filter.into()).unwrap(), options, id: None }
}
