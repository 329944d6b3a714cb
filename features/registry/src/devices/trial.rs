//! What a principal might do if it connected, for whoever asks beforehand.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::slice;
use std::sync::Arc;

use service::retry::Setback;
use service::{ApiError, Cx, Knock, Principal, PrincipalKind, Rights};

use super::Devices;
use super::load::{Loaded, Subject};
use crate::principal::Principal as Target;

/// What is taken to be other than it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trial {
    /// Policies, which exist, that count as if they were attached.
    pub(crate) add: Vec<String>,
    /// Policies that count as if they were not attached, also if they are added.
    pub(crate) skip: Vec<String>,
}

impl Trial {
    /// Makes the policies that count those of the trial.
    pub(super) fn change(&self, names: &mut BTreeSet<String>) {
        names.extend(self.add.iter().cloned());
        names.retain(|name| !self.skip.contains(name));
    }
}

/// What `target`, which is registered, might do under a client id: as at the door, but that nothing
/// is known of where it comes from, and that its certificate need not be ACTIVE. Without a target,
/// only policies that are added count.
pub(crate) async fn try_out(
    cx: &Cx,
    target: Option<&Target>,
    client_id: Option<&str>,
    trial: Trial,
) -> Result<Rights, Setback> {
    let context = client_id.map(|id| ("iot:ClientId".to_owned(), vec![id.to_owned()]));
    let subject = Subject {
        principal: Arc::new(absent(cx, target)),
        client_id: client_id.map(Arc::from),
        context: context.into_iter().collect(),
        policies: Vec::new(),
        trial: Some(trial),
    };
    let loaded = Devices::new(&cx.app).load(slice::from_ref(&subject)).await?.pop();
    match loaded {
        Some(Loaded::Found(found)) => Ok(found.rights),
        // Nobody is turned away from a trial: a record cannot be read.
        Some(Loaded::Refused(refusal)) => Err(ApiError::internal(refusal.detail).into()),
        Some(Loaded::Moved) | None => Err(Setback::Moved),
    }
}

/// A principal that is not at any door. An identity of Cognito is one without a certificate.
fn absent(cx: &Cx, target: Option<&Target>) -> Principal {
    let (id, arn) = match target {
        Some(Target::Certificate { id, arn }) => (id.clone(), arn.clone()),
        Some(Target::Cognito(id)) => (id.clone(), id.clone()),
        None => (String::new(), String::new()),
    };
    Principal {
        tenant: cx.tenant.clone(),
        id,
        kind: PrincipalKind::Certificate { arn },
        knock: Knock {
            door: "mqtts",
            peer: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            local: None,
            server_name: None,
            certificate: None,
        },
    }
}
