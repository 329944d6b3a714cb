//! The registry: things, thing types, thing groups, certificates, policies, and what is attached to
//! what.
//!
//! One crate, because each one's delete asks the others. Every change is one commit whose
//! conditions decide races: an attachment holds its parents, a delete asks that nothing is attached.

mod attributes;
mod authorization;
mod billing_groups;
mod ca_certificates;
mod certificate_providers;
mod certificate_transfers;
mod certificates;
mod connectivity;
mod devices;
mod endpoints;
mod event_configurations;
mod events;
mod expected_version;
mod named;
mod policies;
mod policy_attachments;
mod policy_versions;
mod principal;
mod registration_codes;
mod store;
mod tags;
mod thing_group_memberships;
mod thing_groups;
mod thing_principals;
mod thing_types;
mod things;

pub use devices::Devices;

use std::sync::Arc;

use service::{Feature, Hooks};

use crate::certificates::events::RegisteredEvents;
use crate::events::topics::EventTopics;

/// Everything the registry serves.
pub fn feature() -> Feature {
    let endpoints = [
        things::endpoints(),
        connectivity::endpoints(),
        thing_types::endpoints(),
        billing_groups::endpoints(),
        thing_groups::endpoints(),
        thing_groups::dynamic::endpoints(),
        thing_group_memberships::endpoints(),
        thing_principals::endpoints(),
        certificates::endpoints(),
        certificates::create::endpoints(),
        certificates::register::endpoints(),
        certificate_transfers::endpoints(),
        certificate_providers::endpoints(),
        registration_codes::endpoints(),
        ca_certificates::endpoints(),
        policies::endpoints(),
        policy_versions::endpoints(),
        policy_attachments::endpoints(),
        authorization::endpoints(),
        tags::endpoints(),
        endpoints::endpoints(),
        event_configurations::endpoints(),
    ];
    let reserved: Vec<Arc<dyn service::ReservedTopic>> =
        vec![Arc::new(EventTopics), Arc::new(RegisteredEvents)];
    let hooks = Hooks { reserved, ..Hooks::default() };
    let endpoints = endpoints.into_iter().flatten().collect();
    Feature { endpoints, hooks, ..Feature::default() }
}
