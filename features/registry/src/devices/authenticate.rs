//! Who knocks: a registered certificate, or under `--dev` whoever comes to the plain door.

use service::{Knock, Login, Principal, PrincipalKind, Refusal};
use types::Tenant;

use super::{Devices, endpoint_name, refusals};
use crate::principal::Principal as Target;
use crate::store::certificates::{self, Certificate, REGISTRATIONS_MAX, Registration};
use crate::store::policies;

/// The plain door's name.
const PLAIN_DOOR: &str = "mqtt";
/// What the user name begins with that asks for a policy.
const POLICY_USER: &str = "policy/";

impl Devices {
    /// The principal of an active certificate, in the tenant that the client asks for. One that is
    /// not registered there is, if a CA vouches for it, before its holder is refused.
    pub(super) async fn certificate(
        &self,
        knock: &Knock,
        der: &[u8],
    ) -> Result<Principal, Refusal> {
        let id = pki::certificate_id(der);
        let parent = certificates::registrations_key(&id);
        let registered = self.records.below(&parent, REGISTRATIONS_MAX).await;
        let registered = registered.map_err(|error| refusals::store_failed(&error))?;
        let registered =
            certificates::registrations(&registered).map_err(|error| refusals::failed(&error))?;
        let registered = registered.iter().filter_map(Registration::tenant).collect();
        let tenant = match choose_tenant(&id, knock.server_name.as_deref(), registered) {
            Ok(tenant) => tenant,
            Err(refusal) if refusal.reason == refusals::UNKNOWN_CERTIFICATE => {
                return Err(self.register_just_in_time(knock, der, refusal).await);
            }
            Err(refusal) => return Err(refusal),
        };
        let found = self.records.get(&certificates::key(&tenant, &id)).await;
        let found = found.map_err(|error| refusals::store_failed(&error))?;
        let found = found.ok_or_else(|| refusals::unknown_certificate(&id))?;
        let certificate: Certificate =
            service::decode(&found).map_err(|error| refusals::failed(&error))?;
        if let Err(refusal) = refusals::check_certificate(&certificate, self.app.env.clock.now()) {
            self.tell_if_pending(&tenant, &certificate, &refusal).await;
            return Err(refusal);
        }
        let arn = Target::certificate(&id, &tenant).as_str().to_owned();
        let kind = PrincipalKind::Certificate { arn };
        // The certificate itself is registered under its id: a connection need not hold it.
        Ok(Principal { tenant, id, kind, knock: Knock { certificate: None, ..knock.clone() } })
    }

    /// Somebody at the plain door of a development server: with the user name `policy/NAME` under
    /// that policy, else the administrator.
    pub(super) async fn without_certificate(
        &self,
        knock: &Knock,
        login: Option<&Login>,
    ) -> Result<Principal, Refusal> {
        if knock.door != PLAIN_DOOR || !self.app.settings.is_dev {
            return Err(refusals::no_credentials(knock.door));
        }
        let tenant = self.home().await?;
        let user_name = login.and_then(|login| login.user_name.as_deref()).unwrap_or_default();
        let (id, kind) = match asked_policy(user_name) {
            Some(name) => {
                self.check_policy(name, &tenant).await?;
                (format!("{POLICY_USER}{name}"), PrincipalKind::Policy(name.to_owned()))
            }
            None => ("administrator".to_owned(), PrincipalKind::Administrator),
        };
        Ok(Principal { tenant, id, kind, knock: knock.clone() })
    }

    /// The tenant of plain doors.
    pub(super) async fn home(&self) -> Result<Tenant, Refusal> {
        let settings = &self.app.settings;
        let home = self.app.tenants.find(settings.account, settings.region.clone()).await;
        home.map_err(|error| refusals::failed(&error))
    }

    async fn check_policy(&self, name: &str, tenant: &Tenant) -> Result<(), Refusal> {
        let found = self.records.get(&policies::key(tenant, name)).await;
        let found = found.map_err(|error| refusals::store_failed(&error))?;
        found.map(drop).ok_or_else(|| refusals::unknown_policy(name, tenant))
    }
}

/// The policy that a user name asks for. What device SDKs say of themselves comes behind a `?`.
fn asked_policy(user_name: &str) -> Option<&str> {
    let name = user_name.strip_prefix(POLICY_USER)?;
    Some(name.split_once('?').map_or(name, |(name, _)| name))
}

/// The tenant whose endpoint the client asked for, or else the only one that there is.
fn choose_tenant(
    id: &str,
    server_name: Option<&str>,
    mut registered: Vec<Tenant>,
) -> Result<Tenant, Refusal> {
    let asked = server_name.and_then(|name| Some((name, endpoint_name::prefix(name)?)));
    if registered.is_empty() {
        return Err(refusals::unknown_certificate(id));
    }
    if let Some((name, prefix)) = asked {
        let position = registered.iter().position(|tenant| tenant.endpoint_prefix() == prefix);
        return match position {
            Some(position) => Ok(registered.swap_remove(position)),
            None => Err(refusals::registered_elsewhere(id, name, &registered)),
        };
    }
    if registered.len() > 1 {
        return Err(refusals::ambiguous(id, &registered));
    }
    registered.pop().ok_or_else(|| refusals::unknown_certificate(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_may_ask_for_a_policy() {
        for (user_name, expect) in [
            ("policy/lamps", Some("lamps")),
            ("policy/lamps?SDK=Python&Version=2", Some("lamps")),
            ("policy/", Some("")),
            ("admin", None),
            ("?SDK=Python", None),
            ("", None),
        ] {
            assert_eq!(asked_policy(user_name), expect, "{user_name}");
        }
    }
}
