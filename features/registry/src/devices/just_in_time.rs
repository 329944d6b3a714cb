//! Just-in-time registration: a certificate that nobody registered, but whose CA did register with
//! auto-registration, is registered when its holder first connects.
//!
//! The holder is refused all the same, as often as it comes, and an event tells each time of it:
//! somebody has to activate the certificate.

use std::collections::BTreeMap;

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
/// CAs with the issuer's name that are looked at; beyond that, and beyond what one tenant may have,
/// some are not.
const AUTHORITIES_MAX: usize = 64;

/// A CA that signed a certificate and has what it signed registered, and the tenant that has it.
struct Sponsor {
    tenant: Tenant,
    authority: Stored<CaCertificate>,
}

/// Finds who signed a certificate, with few signatures verified: anybody may send one that names
/// a CA.
struct Signers<'c> {
    stranger: &'c pki::Certificate,
    /// Whether the CAs with these ids signed it.
    verified: BTreeMap<String, bool>,
    /// As how many there may be.
    max: usize,
}

impl Signers<'_> {
    /// Whether `ca` signed. Of CAs whose key the certificate does not name nothing is verified, nor
    /// twice of one that several tenants have.
    fn include(&mut self, ca: &CaCertificate) -> bool {
        if let Some(has_signed) = self.verified.get(&ca.id) {
            return *has_signed;
        }
        let Ok(authority) = pki::parse_pem_certificate(&ca.pem) else { return false };
        if !self.stranger.names_key_of(&authority) || self.verified.len() >= self.max {
            return false;
        }
        let has_signed = Authority::check_signed_by(self.stranger, &authority);
        self.verified.insert(ca.id.clone(), has_signed);
        has_signed
    }
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
            .retain(|(tenant, ..)| prefix.is_none_or(|prefix| tenant.endpoint_prefix() == prefix));
        // Those whose tenant holds their key come first, and no tenant keeps the others waiting.
        candidates.sort_by_key(|(_, rank, authority)| {
            (authority.mode != CertificateMode::Default, *rank)
        });
        let max = self.app.limits.ca_certificates_per_subject_max;
        let mut signers = Signers { stranger, verified: BTreeMap::new(), max };
        let mut sponsors = Vec::new();
        for (tenant, _, authority) in candidates.into_iter().take(AUTHORITIES_MAX.max(max)) {
            let Some(authority) = self.willing(&tenant, &authority.id).await? else { continue };
            if signers.include(&authority.document) {
                sponsors.push(Sponsor { tenant, authority });
            }
        }
        choose_sponsor(stranger, sponsors)
    }

    /// All CAs that are called as the issuer is, with the tenants that have them and how many they
    /// have before.
    async fn candidates(
        &self,
        issuer: &[u8],
    ) -> Result<Vec<(Tenant, usize, SubjectAuthority)>, Refusal> {
        let parent = ca_certificates::subjects_key(issuer);
        let found = self.records.below(&parent, REGISTRATIONS_MAX).await;
        let found = found.map_err(|error| refusals::store_failed(&error))?;
        let found = ca_certificates::of_subject(&found);
        let found = found.map_err(|error| refusals::failed(&error))?;
        let of_tenant = found.into_iter().filter_map(|subject| {
            let tenant = subject.tenant()?;
            let ranked = subject.authorities.into_iter().enumerate();
            Some(ranked.map(move |(rank, one)| (tenant.clone(), rank, one)))
        });
        Ok(of_tenant.flatten().collect())
    }

    /// The CA with this id, if it has what it signs registered now.
    async fn willing(
        &self,
        tenant: &Tenant,
        id: &str,
    ) -> Result<Option<Stored<CaCertificate>>, Refusal> {
        let found = self.records.get(&ca_certificates::key(tenant, id)).await;
        let found = found.map_err(|error| refusals::store_failed(&error))?;
        let Some(found) = found else { return Ok(None) };
        let authority = ca_certificates::read(tenant, id, &found);
        let authority = authority.map_err(|error| refusals::failed(&error))?;
        let CaCertificate { status, auto_registration, not_before, not_after, .. } =
            &authority.document;
        let now = self.app.env.clock.now();
        let is_willing = *status == CACertificateStatus::Active
            && *auto_registration == AutoRegistrationStatus::Enable
            && (*not_before..=*not_after).contains(&now);
        Ok(is_willing.then_some(authority))
    }

    /// Registers `stranger` in the name of its sponsor, and tells of it.
    async fn register(
        &self,
        knock: &Knock,
        stranger: &pki::Certificate,
        sponsor: Sponsor,
    ) -> Refusal {
        let now = self.app.env.clock.now();
        let id = stranger.id();
        let dates = (stranger.not_before, stranger.not_after);
        if let Err(refusal) = refusals::check_dates(&id, dates.0, dates.1, now) {
            return refusal;
        }
        let cx = self.context(knock, &id, &sponsor);
        let authority = &sponsor.authority.document;
        let mut new = NewCertificate::brought(stranger, stranger.to_pem());
        new.ca_certificate_id = Some(authority.id.clone());
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
