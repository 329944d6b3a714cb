//! The registry: things, thing types, thing groups, certificates, policies, and what is attached to
//! what.
//!
//! One crate, because each one's delete asks the others. Every change is one commit whose
//! conditions decide races: an attachment holds its parents, a delete asks that nothing is attached.

mod attributes;
mod certificates;
mod connectivity;
mod devices;
mod endpoints;
mod policies;
mod policy_attachments;
mod policy_versions;
mod principal;
mod retry;
mod store;
mod tags;
mod thing_group_memberships;
mod thing_groups;
mod thing_principals;
mod thing_types;
mod things;

pub use devices::Devices;

use service::Feature;

/// Everything the registry serves.
pub fn feature() -> Feature {
    let endpoints = [
        things::endpoints(),
        connectivity::endpoints(),
        thing_types::endpoints(),
        thing_groups::endpoints(),
        thing_groups::dynamic::endpoints(),
        thing_group_memberships::endpoints(),
        thing_principals::endpoints(),
        certificates::endpoints(),
        certificates::create::endpoints(),
        certificates::register::endpoints(),
        policies::endpoints(),
        policy_versions::endpoints(),
        policy_attachments::endpoints(),
        tags::endpoints(),
        endpoints::endpoints(),
    ];
    Feature { endpoints: endpoints.into_iter().flatten().collect(), ..Feature::default() }
}
