//! Which credentials a rule's role stands for: a profile, a role that is assumed, or the default.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use outbound::{AccessKey, SharedFile};
use types::{Secret, Timestamp};

use super::{Aws, Call, xml};
use crate::aws_credentials::{CredentialsError, access_key};
use crate::{Caller, CredentialSettings, Service, TargetError};

/// What was read and assumed lately.
#[derive(Default)]
pub(super) struct Roles {
    files: SharedFile,
    assumed: Mutex<HashMap<String, Assumed>>,
}

#[derive(Clone)]
struct Assumed {
    key: AccessKey,
    expires: Timestamp,
    /// Somebody gets new ones already.
    is_renewed: bool,
}

/// How long before they expire credentials are renewed.
const RENEWED_BEFORE: Duration = Duration::from_secs(300);
/// For how long a role is assumed.
const DURATION_S: &str = "3600";
/// Roles that are remembered.
const ASSUMED_MAX: usize = 1000;

impl Aws {
    /// Whose credentials a rule's call to `service` is signed with.
    pub(super) async fn key_of(
        &self,
        service: Service,
        caller: &Caller,
    ) -> Result<AccessKey, TargetError> {
        let Some(role) = &caller.role_arn else { return self.default_of(service).await };
        if let Some(profile) = self.settings.roles.get(role) {
            let of_profile = CredentialSettings {
                profile: Some(profile.clone()),
                credentials_file: self.settings.credentials.credentials_file.clone(),
                ..CredentialSettings::default()
            };
            return self.read(service, &of_profile).await;
        }
        match self.settings.assume_roles {
            true => self.assume(service, role, caller).await,
            false => self.default_of(service).await,
        }
    }

    /// The service's own credentials, else those of all.
    async fn default_of(&self, service: Service) -> Result<AccessKey, TargetError> {
        let (own, of_all) = (&self.settings.place(service).credentials, &self.settings.credentials);
        let has_own = own.access_key_id.is_some() || own.profile.is_some();
        let mut chosen = if has_own { own.clone() } else { of_all.clone() };
        chosen.credentials_file =
            chosen.credentials_file.or_else(|| of_all.credentials_file.clone());
        self.read(service, &chosen).await
    }

    async fn read(
        &self,
        service: Service,
        settings: &CredentialSettings,
    ) -> Result<AccessKey, TargetError> {
        let now = self.clock.now();
        let read = access_key(settings, &self.roles.files, now).await;
        read.map_err(|error| unable(service, error))
    }

    async fn assume(
        &self,
        service: Service,
        role: &str,
        caller: &Caller,
    ) -> Result<AccessKey, TargetError> {
        if let Some(key) = self.assumed(role) {
            return Ok(key);
        }
        let assumed = self.assume_anew(role, caller).await.map_err(|error| {
            let text = format!("The role {role} could not be assumed: {error}");
            let is_transient = error.is_transient;
            let failed = TargetError { service, ..error.clone() };
            TargetError { message: text, is_transient, status: None, ..failed }.caused_by(error)
        });
        match assumed {
            Ok(assumed) => Ok(self.remember(role, assumed)),
            Err(error) => self.give_up_renewal(role).ok_or(error),
        }
    }

    /// Credentials that are still good; one caller is told that there are none when they are to be
    /// renewed.
    fn assumed(&self, role: &str) -> Option<AccessKey> {
        let now = self.clock.now();
        let mut all = self.roles.assumed.lock().unwrap_or_else(PoisonError::into_inner);
        let assumed = all.get_mut(role).filter(|assumed| assumed.expires > now)?;
        if assumed.expires > now.plus(RENEWED_BEFORE) || assumed.is_renewed {
            return Some(assumed.key.clone());
        }
        assumed.is_renewed = true;
        None
    }

    fn remember(&self, role: &str, assumed: Assumed) -> AccessKey {
        let mut all = self.roles.assumed.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ASSUMED_MAX {
            all.clear();
        }
        let key = assumed.key.clone();
        all.insert(role.to_owned(), assumed);
        key
    }

    /// The renewal failed: the old ones do as long as they are good, and the next caller tries.
    fn give_up_renewal(&self, role: &str) -> Option<AccessKey> {
        let now = self.clock.now();
        let mut all = self.roles.assumed.lock().unwrap_or_else(PoisonError::into_inner);
        let assumed = all.get_mut(role)?;
        assumed.is_renewed = false;
        (assumed.expires > now).then(|| assumed.key.clone())
    }

    async fn assume_anew(&self, role: &str, caller: &Caller) -> Result<Assumed, TargetError> {
        let call = Call::query(
            Service::Sts,
            &[
                ("Action", "AssumeRole"),
                ("Version", "2011-06-15"),
                ("RoleArn", role),
                ("RoleSessionName", "ferrite"),
                ("DurationSeconds", DURATION_S),
            ],
        );
        let key = self.default_of(Service::Sts).await?;
        let response = self.send_as(&key, caller, call).await?;
        read(&response.body).ok_or_else(|| {
            TargetError::unanswered(Service::Sts, "The answer to AssumeRole cannot be read.")
        })
    }
}

fn read(body: &[u8]) -> Option<Assumed> {
    let key = AccessKey {
        id: xml::text(body, "AccessKeyId")?,
        secret: xml::text(body, "SecretAccessKey")?.into(),
        session_token: xml::text(body, "SessionToken").map(Secret::from),
    };
    let expires = Timestamp::from_rfc3339(&xml::text(body, "Expiration")?).ok()?;
    Some(Assumed { key, expires, is_renewed: false })
}

fn unable(service: Service, error: CredentialsError) -> TargetError {
    let text = format!("Unable to load AWS credentials: {error}");
    let mut failed = TargetError::unanswered(service, text).lasting();
    failed.code = "CredentialsError".to_owned();
    failed.caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assumed_credentials_are_read_with_their_end() {
        let xml = b"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>\
            <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
            <Expiration>2026-01-02T03:04:05Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
        let assumed = read(xml).unwrap();
        assert_eq!(assumed.key.session_token.as_ref().map(Secret::expose), Some("t"));
        assert_eq!(assumed.expires.to_amz_date(), "20260102T030405Z");
        assert!(read(b"<AccessKeyId>x</AccessKeyId>").is_none());
    }
}
