//! Just-in-time registration: a certificate that nobody registered, but whose CA did register with
//! auto-registration, is registered when its holder first connects.
//!
//! The holder is refused all the same, as often as it comes, and an event tells each time of it:
//! somebody has to activate the certificate.

use model::iot::{AutoRegistrationStatus, CACertificateStatus, CertificateMode, CertificateStatus};
use pki::Authority;
use service::{ApiError, Caller, Cx, Knock, Refusal};
use store::{Batch, CommitError};
use types::Tenant;

use super::{Devices, endpoint_name, refusals};
use crate::certificates::events;
use crate::principal::Principal;
use crate::store::Stored;
use crate::store::ca_certificates::{self, CaCertificate, SubjectAuthority};
use crate::store::certificates::{self, Certificate, NewCertificate, REGISTRATIONS_MAX};

/// What the audit trail calls it.
const OPERATION: &str = "JustInTimeRegistration";
/// CAs with the issuer's name that are asked whether they signed; beyond that some are not.
const AUTHORITIES_MAX: usize = 64;

/// A CA that signed a certificate and has what it signed registered, and the tenant that has it.
struct Sponsor {
    tenant: Tenant,
    authority: Stored<CaCertificate>,
}

impl Devices {
    /// Registers the certificate in `der` if a CA of the tenant that the client asks for signed
    /// it. Returns why the client is not let in, which without such a CA is `unknown`.
    pub(super) async fn register_just_in_time(
        &self,
        knock: &Knock,
        der: &[u8],
        unknown: Refusal,
    ) -> Refusal {
        let Ok(stranger) = pki::Certificate::from_der(der.to_vec()) else { return unknown };
        match self.sponsor(&stranger, knock.server_name.as_deref()).await {
            Ok(Some(sponsor)) => self.register(knock, &stranger, sponsor).await,
            Ok(None) => unknown,
            Err(refusal) => refusal,
        }
    }

    /// Tells once more of a certificate that its CA vouched for, if that is why it is refused.
    pub(super) async fn tell_if_pending(
        &self,
        tenant: &Tenant,
        certificate: &Certificate,
        refusal: &Refusal,
    ) {
        let Some(ca_certificate_id) = &certificate.ca_certificate_id else { return };
        if refusal.reason != refusals::PENDING_ACTIVATION {
            return;
        }
        let now = self.app.env.clock.now();
        let message = events::registered(tenant, certificate, ca_certificate_id, now);
        if let Err(error) = self.app.publisher.publish(tenant, message).await {
            let id = &certificate.id;
            tracing::warn!(certificate_id = %id, ?error, "the event of a certificate was lost");
        }
    }

    /// Who registers `stranger`: in the tenant whose endpoint the client asks for, or else in the
    /// only one that there is.
    async fn sponsor(
        &self,
        stranger: &pki::Certificate,
        server_name: Option<&str>,
    ) -> Result<Option<Sponsor>, Refusal> {
        let prefix = server_name.and_then(endpoint_name::prefix);
        let mut candidates = self.candidates(&stranger.issuer_name()).await?;
        candidates
            .retain(|(tenant, _)| prefix.is_none_or(|prefix| tenant.endpoint_prefix() == prefix));
        // Those whose tenant holds their key come first.
        candidates.sort_by_key(|(_, authority)| authority.mode != CertificateMode::Default);
        let mut sponsors = Vec::new();
        for (tenant, authority) in candidates.into_iter().take(AUTHORITIES_MAX) {
            sponsors.extend(self.vouches(stranger, tenant, &authority.id).await?);
        }
        choose_sponsor(stranger, sponsors)
    }

    /// All CAs that are called as the issuer is, with the tenants that have them.
    async fn candidates(&self, issuer: &[u8]) -> Result<Vec<(Tenant, SubjectAuthority)>, Refusal> {
        let parent = ca_certificates::subjects_key(issuer);
        let found = self.records.below(&parent, REGISTRATIONS_MAX).await;
        let found = found.map_err(|error| refusals::store_failed(&error))?;
        let found = ca_certificates::of_subject(&found);
        let found = found.map_err(|error| refusals::failed(&error))?;
        let of_tenant = found.into_iter().filter_map(|subject| {
            let tenant = subject.tenant()?;
            Some(subject.authorities.into_iter().map(move |one| (tenant.clone(), one)))
        });
        Ok(of_tenant.flatten().collect())
    }

    /// The CA with this id, if it signed `stranger` and has what it signs registered now.
    async fn vouches(
        &self,
        stranger: &pki::Certificate,
        tenant: Tenant,
        id: &str,
    ) -> Result<Option<Sponsor>, Refusal> {
        let found = self.records.get(&ca_certificates::key(&tenant, id)).await;
        let found = found.map_err(|error| refusals::store_failed(&error))?;
        let Some(found) = found else { return Ok(None) };
        let authority = ca_certificates::read(&tenant, id, &found);
        let authority = authority.map_err(|error| refusals::failed(&error))?;
        let CaCertificate { status, auto_registration, not_before, not_after, pem, .. } =
            &authority.document;
        let now = self.app.env.clock.now();
        let is_willing = *status == CACertificateStatus::Active
            && *auto_registration == AutoRegistrationStatus::Enable
            && (*not_before..=*not_after).contains(&now);
        let has_signed = is_willing
            && pki::parse_pem_certificate(pem).is_ok_and(|ca| {
                stranger.names_key_of(&ca) && Authority::check_signed_by(stranger, &ca)
            });
        Ok(has_signed.then_some(Sponsor { tenant, authority }))
    }

    /// Registers `stranger` in the name of its sponsor, and tells of it.
    async fn register(
        &self,
        knock: &Knock,
        stranger: &pki::Certificate,
        sponsor: Sponsor,
    ) -> Refusal {
        let now = self.app.env.clock.now();
        let (not_before, not_after) = (stranger.not_before, stranger.not_after);
        let id = stranger.id();
        if let Err(refusal) = refusals::check_dates(&id, not_before, not_after, now) {
            return refusal;
        }
        let cx = self.context(knock, &id, &sponsor);
        let authority = &sponsor.authority.document;
        let ca_certificate_id = Some(authority.id.clone());
        let pem = stranger.to_pem();
        let new = NewCertificate { id, pem, not_before, not_after, ca_certificate_id };
        let status = CertificateStatus::PendingActivation;
        let certificate = Certificate::new(&cx, new, status, authority.mode);
        let mut batch = Batch::new();
        sponsor.authority.require_unchanged(&mut batch);
        certificates::create(&cx, &mut batch, &certificate);
        match cx.commit(batch).await {
            Ok(_) => self.app.audit.log(&cx, "success"),
            // The client that comes again finds what others have done meanwhile.
            Err(CommitError::Conflict(_)) => return refusals::always_changing(),
            Err(error) => return refusals::failed(&ApiError::from(error)),
        }
        let refusal = refusals::not_active(&certificate.id, status);
        self.tell_if_pending(&cx.tenant, &certificate, &refusal).await;
        refusal
    }

    /// What the audit trail says of a registration that no request asked for: the CA did it.
    fn context(&self, knock: &Knock, id: &str, sponsor: &Sponsor) -> Cx {
        let Sponsor { tenant, authority } = sponsor;
        let caller = Caller {
            access_key_id: String::new(),
            account: tenant.account,
            arn: tenant.arn("iot", &format!("cacert/{}", authority.document.id)),
            user_id: authority.document.id.clone(),
            source_ip: knock.peer.ip(),
            is_over_tls: knock.is_over_tls(),
            is_root: false,
        };
        let resource = Principal::certificate(id, tenant);
        Cx::of_server(&self.app, tenant.clone(), caller, OPERATION, resource.as_str())
    }
}

/// The sponsor that counts. Of several tenants it is the one that has the CA in DEFAULT mode, for
/// it holds the CA's key.
fn choose_sponsor(
    stranger: &pki::Certificate,
    mut sponsors: Vec<Sponsor>,
) -> Result<Option<Sponsor>, Refusal> {
    let is_default =
        |sponsor: &Sponsor| sponsor.authority.document.mode == CertificateMode::Default;
    if sponsors.iter().any(is_default) {
        sponsors.retain(is_default);
    }
    let mut tenants: Vec<Tenant> = sponsors.iter().map(|sponsor| sponsor.tenant.clone()).collect();
    tenants.dedup();
    if tenants.len() > 1 {
        return Err(refusals::ambiguous_authority(&stranger.id(), &tenants));
    }
    Ok(sponsors.into_iter().next())
}
