//! What connections may do, from the records of their certificates, things and policies.
//!
//! One pure function says what a connection may do from the records that are known, and which
//! others it needs; those are read for many connections at once, and it is asked again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::iot::PropagatingAttribute;
use mqtt::UserProperties;
use policy::Document;
use serde::de::DeserializeOwned;
use service::{BoundThing, Principal, PrincipalKind, Refusal, Rights};
use store::{Key, StoreError, Versioned};
use types::{Tenant, Timestamp};

use super::context::Keys;
use super::live::Sources;
use super::trial::Trial;
use super::{Devices, context, refusals};
use crate::store::certificates::{self, Certificate, Registration};
use crate::store::policies::{self, Policy, VersionText};
use crate::store::policy_attachments::{self, TargetPolicies};
use crate::store::thing_group_memberships::{self, Membership, Memberships};
use crate::store::thing_groups::{self, ThingGroup};
use crate::store::thing_principals::{self, Attachment, Binding};
use crate::store::thing_types::{self, ThingType};
use crate::store::things::{self, Thing};
use crate::thing_types::{CLIENT_ID, THING_NAME};

/// How often more records may turn out to be needed, and the last look at them: what the principal
/// has, the thing that it belongs to, the groups that this is in, all policies, their texts, and
/// one to spare.
const ROUNDS_MAX: usize = 7;

/// Whose permissions are asked for.
pub(super) struct Subject {
    /// Who.
    pub(super) principal: Arc<Principal>,
    /// Under which name; none over HTTP.
    pub(super) client_id: Option<Arc<str>>,
    /// What is known of the connection itself.
    pub(super) context: Keys,
    /// Its policies so far: they are read at once, since most of them stay.
    pub(super) policies: Vec<String>,
    /// What is tried out, if nobody connects.
    pub(super) trial: Option<Trial>,
}

/// What came of a subject.
pub(super) enum Loaded {
    /// This is what it may do.
    Found(Found),
    /// It may not be connected.
    Refused(Refusal),
    /// Records changed between two reads.
    Moved,
}

/// What a connection may do.
pub(super) struct Found {
    /// The policies and all that they may ask for.
    pub(super) rights: Rights,
    /// What they were made of.
    pub(super) sources: Sources,
}

/// Why it cannot be said yet, or not at all, what a connection may do.
enum Stop {
    Unread,
    Moved,
    Refused(Refusal),
}

/// Records as they were read, and those that are still to be read.
#[derive(Default)]
struct Known {
    records: HashMap<Key, Option<Versioned>>,
    wanted: BTreeSet<Key>,
}

/// The records that one subject asks for.
struct Reader<'k> {
    known: &'k mut Known,
    asked: Vec<Key>,
}

/// The thing that a connection is bound to, and what is known of it.
struct Bound {
    thing: Option<(BoundThing, Thing)>,
    /// The groups that the thing was put into, also those that are gone.
    groups: Vec<Membership>,
    /// Whether the client's name is that of a thing that has the principal.
    is_attached: bool,
}

impl Devices {
    /// What each of `subjects` may do, in their order.
    pub(super) async fn load(&self, subjects: &[Subject]) -> Result<Vec<Loaded>, StoreError> {
        let needs_home = subjects.iter().any(|subject| is_policy(&subject.principal));
        let home = if needs_home { self.home().await.ok() } else { None };
        let now = self.app.env.clock.now();
        let mut known = Known::default();
        let mut loaded: Vec<Option<Loaded>> = subjects.iter().map(|_| None).collect();
        for _ in 0..ROUNDS_MAX {
            for (subject, outcome) in subjects.iter().zip(&mut loaded).filter(|(_, o)| o.is_none())
            {
                *outcome = self.decide(subject, home.as_ref(), now, &mut known);
            }
            if known.wanted.is_empty() {
                break;
            }
            let keys: Vec<Key> = std::mem::take(&mut known.wanted).into_iter().collect();
            let found = self.records.get_many(&keys).await?;
            known.records.extend(keys.into_iter().zip(found));
        }
        Ok(loaded.into_iter().map(|outcome| outcome.unwrap_or(Loaded::Moved)).collect())
    }

    /// What `subject` may do, or nothing if more must be known.
    fn decide(
        &self,
        subject: &Subject,
        home: Option<&Tenant>,
        now: Timestamp,
        known: &mut Known,
    ) -> Option<Loaded> {
        let mut reader = Reader { known, asked: Vec::new() };
        let found = match &subject.principal.kind {
            PrincipalKind::Certificate { arn } => {
                self.of_certificate(subject, arn, now, &mut reader)
            }
            PrincipalKind::Policy(name) => self.of_policy(subject, name, home, &mut reader),
            PrincipalKind::Caller { arn } => Err(Stop::Refused(refusals::not_a_device(arn))),
            PrincipalKind::Administrator => Ok((administrator(subject), None)),
        };
        Some(match found {
            Ok((rights, not_after)) => {
                let sources = Sources { keys: reader.asked, not_after };
                Loaded::Found(Found { rights, sources })
            }
            Err(Stop::Unread) => return None,
            Err(Stop::Moved) => Loaded::Moved,
            Err(Stop::Refused(refusal)) => Loaded::Refused(refusal),
        })
    }

    fn of_certificate(
        &self,
        subject: &Subject,
        arn: &str,
        now: Timestamp,
        reader: &mut Reader<'_>,
    ) -> Result<(Rights, Option<Timestamp>), Stop> {
        let Principal { tenant, id, .. } = &*subject.principal;
        let keys = CertificateKeys::of(tenant, id, arn, subject.client_id.as_deref());
        let policies = subject.policies.iter().map(|name| policies::key(tenant, name));
        reader.want(keys.all().cloned().chain(policies))?;
        let certificate = match subject.trial {
            None => Some(check_certificate(&keys, tenant, id, now, reader)?),
            Some(_) => reader.find(&keys.certificate)?,
        };
        let bound = bind(&keys, tenant, reader)?;
        let mut names = policy_names(&keys, tenant, &bound.groups, reader)?;
        subject.trial.iter().for_each(|trial| trial.change(&mut names));
        // The type is read in the same round as the policies.
        let user_properties = user_properties(subject, bound.thing.as_ref(), reader);
        let policies = self.policies(tenant, &names, reader)?;
        let user_properties = user_properties?;
        let mut context = subject.context.clone();
        if let Some(Certificate { pem, .. }) = &certificate {
            let documents = policies.iter().map(|(_, document)| &**document);
            context::add_certificate(&mut context, pem, documents);
        }
        let (thing, record) = bound.thing.unzip();
        if keys.named.is_some() {
            context.extend(context::of_thing(record.as_ref(), bound.is_attached));
        }
        let rights = Rights { thing, user_properties, ..rights(policies, context) };
        Ok((rights, certificate.map(|certificate| certificate.not_after)))
    }

    fn of_policy(
        &self,
        subject: &Subject,
        name: &str,
        home: Option<&Tenant>,
        reader: &mut Reader<'_>,
    ) -> Result<(Rights, Option<Timestamp>), Stop> {
        let tenant = &subject.principal.tenant;
        let unknown = || Stop::Refused(refusals::unknown_policy(name, tenant));
        // The tenants' numbers begin anew when a development server is emptied.
        if home.ok_or(Stop::Moved)? != tenant {
            return Err(unknown());
        }
        reader.find::<Policy>(&policies::key(tenant, name))?.ok_or_else(unknown)?;
        let policies = self.policies(tenant, &BTreeSet::from([name.to_owned()]), reader)?;
        Ok((rights(policies, subject.context.clone()), None))
    }

    /// The documents of the default versions of these policies, which exist.
    fn policies(
        &self,
        tenant: &Tenant,
        names: &BTreeSet<String>,
        reader: &mut Reader<'_>,
    ) -> Result<Vec<(String, Arc<Document>)>, Stop> {
        reader.want(names.iter().map(|name| policies::key(tenant, name)))?;
        let mut documents = Vec::with_capacity(names.len());
        let mut is_unread = false;
        for name in names {
            let policy: Policy = reader.find(&policies::key(tenant, name))?.ok_or(Stop::Moved)?;
            match self.document(tenant, &policy, reader) {
                Ok(document) => documents.push((name.clone(), document)),
                // The others' texts are asked for in the same round.
                Err(Stop::Unread) => is_unread = true,
                Err(stop) => return Err(stop),
            }
        }
        if is_unread { Err(Stop::Unread) } else { Ok(documents) }
    }

    fn document(
        &self,
        tenant: &Tenant,
        policy: &Policy,
        reader: &mut Reader<'_>,
    ) -> Result<Arc<Document>, Stop> {
        if let Some(document) = self.documents.find(tenant.id, policy) {
            return Ok(document);
        }
        let key = policies::version_key(tenant, &policy.name, policy.default_version);
        let text: VersionText = reader.find(&key)?.ok_or(Stop::Moved)?;
        self.documents.read(tenant.id, policy, &text.document).map_err(|malformed| {
            Stop::Refused(refusals::unreadable_policy(&policy.name, &malformed))
        })
    }
}

fn is_policy(principal: &Principal) -> bool {
    matches!(principal.kind, PrincipalKind::Policy(_))
}

/// All that is asked of a certificate before anything of it is known.
struct CertificateKeys {
    registration: Key,
    certificate: Key,
    policies: Key,
    binding: Key,
    named: Option<NamedKeys>,
}

/// What is asked for the name of the client, which over HTTP it does not have.
struct NamedKeys {
    client_id: String,
    attachment: Key,
    thing: Key,
    groups: Key,
}

impl CertificateKeys {
    fn of(tenant: &Tenant, id: &str, arn: &str, client_id: Option<&str>) -> Self {
        Self {
            registration: certificates::registration_key(tenant, id),
            certificate: certificates::key(tenant, id),
            policies: policy_attachments::key(tenant, arn),
            binding: thing_principals::binding_key(tenant, arn),
            named: client_id.map(|client_id| NamedKeys {
                client_id: client_id.to_owned(),
                attachment: thing_principals::key(tenant, client_id, arn),
                thing: things::key(tenant, client_id),
                groups: thing_group_memberships::key(tenant, client_id),
            }),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        let Self { registration, certificate, policies, binding, named } = self;
        let named = named.iter().flat_map(|keys| [&keys.attachment, &keys.thing, &keys.groups]);
        [registration, certificate, policies, binding].into_iter().chain(named)
    }
}

/// The certificate, if it may be used now in `tenant`.
fn check_certificate(
    keys: &CertificateKeys,
    tenant: &Tenant,
    id: &str,
    now: Timestamp,
    reader: &mut Reader<'_>,
) -> Result<Certificate, Stop> {
    let unknown = || Stop::Refused(refusals::unknown_certificate(id));
    // The tenants' numbers begin anew when a development server is emptied.
    let registration: Option<Registration> = reader.find(&keys.registration)?;
    if registration.as_ref().and_then(Registration::tenant).as_ref() != Some(tenant) {
        return Err(unknown());
    }
    let certificate: Certificate = reader.find(&keys.certificate)?.ok_or_else(unknown)?;
    refusals::check_certificate(&certificate, now).map_err(Stop::Refused)?;
    Ok(certificate)
}

/// The thing that the principal belongs to alone, or else the one that the client is named after,
/// if it has the principal. A client without a name has no thing.
fn bind(keys: &CertificateKeys, tenant: &Tenant, reader: &mut Reader<'_>) -> Result<Bound, Stop> {
    let Some(NamedKeys { client_id, attachment, .. }) = &keys.named else {
        return Ok(Bound { thing: None, groups: Vec::new(), is_attached: false });
    };
    let binding: Option<Binding> = reader.find(&keys.binding)?;
    let attachment: Option<Attachment> = reader.find(attachment)?;
    let is_attached = attachment.is_some();
    let exclusive = binding.and_then(|binding| binding.exclusive_thing);
    let is_exclusive = exclusive.is_some();
    let Some(name) = exclusive.or_else(|| is_attached.then(|| client_id.clone())) else {
        return Ok(Bound { thing: None, groups: Vec::new(), is_attached });
    };
    let thing = things::key(tenant, &name);
    let groups = thing_group_memberships::key(tenant, &name);
    reader.want([thing.clone(), groups.clone()])?;
    let record: Thing = reader.find(&thing)?.ok_or(Stop::Moved)?;
    let groups: Option<Memberships> = reader.find(&groups)?;
    let thing = Some((BoundThing { name, is_exclusive }, record));
    let groups = groups.map(|memberships| memberships.groups).unwrap_or_default();
    Ok(Bound { thing, groups, is_attached })
}

/// What messages of the client carry, if its thing is of a type that says so. What the thing does
/// not have, they do not carry.
fn user_properties(
    subject: &Subject,
    thing: Option<&(BoundThing, Thing)>,
    reader: &mut Reader<'_>,
) -> Result<UserProperties, Stop> {
    let Some((thing, type_name)) =
        thing.and_then(|(_, thing)| Some((thing, thing.type_name.as_deref()?)))
    else {
        return Ok(UserProperties::new());
    };
    let key = thing_types::key(&subject.principal.tenant, type_name);
    let thing_type: ThingType = reader.find(&key)?.ok_or(Stop::Moved)?;
    Ok(carried(&thing_type, thing, subject.client_id.as_deref()))
}

/// The user properties that `thing_type` adds to what a thing publishes as `client_id`.
fn carried(thing_type: &ThingType, thing: &Thing, client_id: Option<&str>) -> UserProperties {
    let configuration = thing_type.properties.mqtt5_configuration.as_ref();
    let propagating = configuration.and_then(|mqtt5| mqtt5.propagating_attributes.as_deref());
    let property = |attribute: &PropagatingAttribute| {
        let of_thing = |name: &String| thing.attributes.get(name).map(String::as_str);
        let value = match attribute.connection_attribute.as_deref() {
            Some(CLIENT_ID) => client_id,
            Some(THING_NAME) => Some(thing.name.as_str()),
            _ => attribute.thing_attribute.as_ref().and_then(of_thing),
        };
        Some((attribute.user_property_key.as_deref()?.into(), value?.into()))
    };
    propagating.unwrap_or_default().iter().filter_map(property).collect()
}

/// The policies that count: those of the principal, of the groups of its thing, and of the groups
/// above these. Whatever else lends its policies to a connection adds their names here.
fn policy_names(
    keys: &CertificateKeys,
    tenant: &Tenant,
    groups: &[Membership],
    reader: &mut Reader<'_>,
) -> Result<BTreeSet<String>, Stop> {
    let own: Option<TargetPolicies> = reader.find(&keys.policies)?;
    let mut names: BTreeSet<String> = own.into_iter().flat_map(|own| own.policies).collect();
    let group_key = |membership: &Membership| thing_groups::key(tenant, &membership.group);
    let policies_key =
        |group: &str| policy_attachments::key(tenant, &thing_groups::arn(tenant, group));
    let lent = groups.iter().flat_map(Membership::lineage).map(policies_key);
    reader.want(groups.iter().map(group_key).chain(lent))?;
    for membership in groups {
        let group: Option<ThingGroup> = reader.find(&group_key(membership))?;
        // A group that is gone stays named in the records of its things.
        if group.is_none_or(|group| group.id != membership.id) {
            continue;
        }
        for name in membership.lineage() {
            let lent: Option<TargetPolicies> = reader.find(&policies_key(name))?;
            names.extend(lent.into_iter().flat_map(|lent| lent.policies));
        }
    }
    Ok(names)
}

fn rights(policies: Vec<(String, Arc<Document>)>, mut context: Keys) -> Rights {
    // Every connection holds it for as long as it lasts.
    context.shrink_to_fit();
    let depends_on_time = policies.iter().any(|(_, document)| document.depends_on_time());
    Rights { policies, context, depends_on_time, ..Rights::default() }
}

fn administrator(subject: &Subject) -> Rights {
    Rights { is_unlimited: true, context: subject.context.clone(), ..Rights::default() }
}

impl Reader<'_> {
    /// Goes on once all of `keys` were read.
    fn want(&mut self, keys: impl IntoIterator<Item = Key>) -> Result<(), Stop> {
        let unread: Vec<Key> =
            keys.into_iter().filter(|key| !self.known.records.contains_key(key)).collect();
        if unread.is_empty() {
            return Ok(());
        }
        self.known.wanted.extend(unread);
        Err(Stop::Unread)
    }

    /// The record at `key`.
    fn find<T: DeserializeOwned>(&mut self, key: &Key) -> Result<Option<T>, Stop> {
        let Some(record) = self.known.records.get(key) else {
            self.known.wanted.insert(key.clone());
            return Err(Stop::Unread);
        };
        self.asked.push(key.clone());
        let decoded = record.as_ref().map(service::decode).transpose();
        decoded.map_err(|error| Stop::Refused(refusals::failed(&error)))
    }
}
