//! What can be done with a shadow, whichever door the request comes through.

use std::sync::Arc;
use std::time::Duration;

use service::{ApiError, App, BoxFuture, OnDue, OutgoingMessage, Things, Timer, TimerKind};
use store::{Batch, Key};
use types::Tenant;

use crate::messages::{self, Version};
use crate::name::ShadowName;
use crate::outcomes::Outcomes;
use crate::rates::Rates;
use crate::refusal::Refusal;
use crate::request::{self, Update};
use crate::store::history::{self, Author, Past};
use crate::store::{self as records, Found, Record};
use crate::telling::{self, OF_DELETION, OF_UPDATE, Publishing};
use crate::turns::Turns;

/// How long the versions of a deleted shadow go on (48 hours).
const REMEMBERED: Duration = Duration::from_secs(48 * 60 * 60);
/// How often a change is tried while other servers change the same shadow.
const ATTEMPTS_MAX: usize = 64;

/// The shadows of all tenants.
pub(crate) struct Shadows {
    pub(crate) app: Arc<App>,
    /// Those of which one has to be registered to have a shadow; none if anything may have one.
    things: Option<Arc<dyn Things>>,
    turns: Turns,
    rates: Rates,
    pub(crate) outcomes: Outcomes,
}

/// What an update makes of a shadow.
struct Change<'t> {
    before: Option<Record<'t>>,
    after: Version<'t>,
    /// The record of it.
    text: String,
}

impl Shadows {
    /// The shadows that the server's store has. Tombstones are forgotten from now on.
    pub(crate) fn start(app: &Arc<App>, things: Option<Arc<dyn Things>>) -> Arc<Self> {
        let (turns, rates) = (Turns::default(), Rates::new(&app.limits));
        let outcomes = Outcomes::new();
        let shadows = Arc::new(Self { app: Arc::clone(app), things, turns, rates, outcomes });
        app.schedule.serve(TimerKind::SHADOW_TOMBSTONE, Arc::new(Forgets(Arc::clone(app))));
        shadows
    }

    /// The whole shadow, with what differs.
    pub(crate) async fn get(
        &self,
        tenant: &Tenant,
        name: &ShadowName,
        body: &[u8],
    ) -> Result<String, Refusal> {
        self.admit(tenant, name, body)?;
        let token = request::token_of(body, &self.app.limits)?;
        let answer = async {
            self.registration(tenant, name).await?;
            let Found::Shadow(stored) = records::find(&self.app.store, tenant, name).await? else {
                return Err(Refusal::not_found(&name.label()));
            };
            let shadow = messages::shadow(&stored.record()?, self.now(), token.as_deref());
            Ok(shadow.map_err(|_| ApiError::internal("a stored shadow cannot be read"))?)
        };
        answer.await.map_err(|refusal: Refusal| refusal.to(token.as_deref()))
    }

    /// Changes what `body` names, makes it durable, and tells of it. Answers what is accepted, if
    /// somebody `waits` for it.
    pub(crate) async fn update(
        &self,
        tenant: &Tenant,
        name: &ShadowName,
        body: &[u8],
        by: Author<'_>,
        waits: bool,
    ) -> Result<Option<String>, Refusal> {
        self.admit(tenant, name, body)?;
        let turn = self.turns.take(tenant.id, name).await;
        let now = self.now();
        let update = Update::read(body, now, &self.app.limits)?;
        let changed = self.change((tenant, name), &update, now, &by, waits).await;
        let refused = |refusal: Refusal| refusal.to(update.client_token.as_deref());
        let (accepted, publishing) = changed.map_err(refused)?;
        drop(turn);
        publishing.await;
        Ok(accepted)
    }

    /// Deletes the shadow, whose versions go on for a while, and tells of it.
    pub(crate) async fn delete(
        &self,
        tenant: &Tenant,
        name: &ShadowName,
        body: &[u8],
        by: Author<'_>,
    ) -> Result<String, Refusal> {
        self.admit(tenant, name, body)?;
        // Whatever else the request holds is ignored.
        let token = request::token_of(body, &self.app.limits).unwrap_or_default();
        let turn = self.turns.take(tenant.id, name).await;
        let removed = self.remove(tenant, name, token.as_deref(), &by).await;
        let (answer, publishing) = removed.map_err(|refusal| refusal.to(token.as_deref()))?;
        drop(turn);
        publishing.await;
        Ok(answer)
    }

    /// Whether there may be one more list of what `thing` has.
    pub(crate) fn admit_list(&self, tenant: &Tenant, thing: &str) -> Result<(), Refusal> {
        self.rates.take(tenant.id, thing)
    }

    /// Whether there may be one more request, which is told by its token if there may not.
    fn admit(&self, tenant: &Tenant, name: &ShadowName, body: &[u8]) -> Result<(), Refusal> {
        self.rates.take(tenant.id, &name.thing).map_err(|refusal| {
            let token = request::token_of(body, &self.app.limits).unwrap_or_default();
            refusal.to(token.as_deref())
        })
    }

    /// Publishes what is told of a request that changed nothing. What cannot be published is logged.
    pub(crate) async fn tell(&self, tenant: &Tenant, topic: String, payload: String) {
        let message = OutgoingMessage::new(topic, payload);
        if let Err(error) = self.app.publisher.publish(tenant, message).await {
            tracing::warn!(%error, "an answer of a shadow was not told");
        }
    }

    /// The time now, in seconds.
    pub(crate) fn now(&self) -> i64 {
        self.app.env.clock.now().secs()
    }

    /// Makes the change whose turn it is. Answers what is accepted, and what is being published.
    async fn change<'p>(
        &'p self,
        (tenant, name): (&'p Tenant, &ShadowName),
        update: &Update<'_>,
        now: i64,
        by: &Author<'_>,
        waits: bool,
    ) -> Result<(Option<String>, Publishing<'p>), Refusal> {
        for _ in 0..ATTEMPTS_MAX {
            let registration = self.registration(tenant, name).await?;
            let found = records::find(&self.app.store, tenant, name).await?;
            let mut change = self.made(&found, update, now)?;
            let mut batch = Batch::new();
            if let Some(record) = registration {
                batch.require_exists(record);
            }
            let text = std::mem::take(&mut change.text);
            if self.app.limits.shadow_history_versions_max > 0 {
                let made: Record<'_> = serde_json::from_str(&text).map_err(ApiError::internal)?;
                let past = Past::new(made.version, now, by.clone(), Some(made.state));
                self.keep(&mut batch, tenant, name, &past).await?;
            }
            records::write(&mut batch, tenant, name, &found, text);
            if let Found::Deleted(tombstone, _) = &found {
                let timer = records::timer_of(tenant, name, tombstone);
                self.app.schedule.cancel(&mut batch, &timer);
            }
            let Change { before, after, .. } = &change;
            let make = |message: &str| messages::of_update(message, update, before.as_ref(), after);
            let told = telling::commit(&self.app, (tenant, name), batch, OF_UPDATE, make).await?;
            if let Some(publishing) = told {
                let accepted = waits.then(|| messages::accepted(update, after));
                return Ok((accepted, publishing));
            }
        }
        Err(busy().into())
    }

    /// The record of the thing, where there has to be one.
    async fn registration(
        &self,
        tenant: &Tenant,
        name: &ShadowName,
    ) -> Result<Option<Key>, Refusal> {
        let Some(things) = &self.things else { return Ok(None) };
        let record = things.record_of(tenant, &name.thing);
        let found = self.app.store.get(&record).await.map_err(ApiError::from)?;
        if found.is_some() { Ok(Some(record)) } else { Err(Refusal::no_thing()) }
    }

    /// Keeps a version for later questions.
    async fn keep(
        &self,
        batch: &mut Batch,
        tenant: &Tenant,
        name: &ShadowName,
        past: &Past<'_>,
    ) -> Result<(), ApiError> {
        let App { store, limits, .. } = &*self.app;
        history::keep(store, batch, tenant, name, past, limits).await
    }

    /// What the update makes of what was found.
    fn made<'t>(
        &self,
        found: &'t Found,
        update: &Update<'t>,
        now: i64,
    ) -> Result<Change<'t>, Refusal> {
        let (before, last) = match found {
            Found::Shadow(stored) => {
                let record = stored.record()?;
                let version = record.version;
                (Some(record), version)
            }
            Found::Deleted(tombstone, _) => (None, tombstone.version),
            Found::Nothing => (None, 0),
        };
        check_version(update.version, before.is_some(), last)?;
        let document = before.as_ref().map(Record::document).transpose()?;
        let mut document = document.unwrap_or_default();
        document.apply(&update.patch);
        let version = last + 1;
        let (text, bytes) = records::text(&document, version, now);
        if bytes > self.app.limits.shadow_document_bytes_max {
            return Err(Refusal::too_large());
        }
        Ok(Change { before, after: Version { document, version, timestamp: now }, text })
    }

    /// Puts a tombstone in the place of the shadow whose turn it is. Answers what is told of it, and
    /// what is being published.
    async fn remove<'p>(
        &'p self,
        tenant: &'p Tenant,
        name: &ShadowName,
        token: Option<&str>,
        by: &Author<'_>,
    ) -> Result<(String, Publishing<'p>), Refusal> {
        for _ in 0..ATTEMPTS_MAX {
            let Found::Shadow(stored) = records::find(&self.app.store, tenant, name).await? else {
                return Err(Refusal::not_found(&name.label()));
            };
            let (version, now) = (stored.record()?.version, self.now());
            let answer = messages::deleted(version, now, token);
            let mut batch = Batch::new();
            if self.app.limits.shadow_history_versions_max > 0 {
                let past = Past::new(version, now, by.clone(), None);
                self.keep(&mut batch, tenant, name, &past).await?;
            }
            let forgotten = self.app.env.clock.now().plus(REMEMBERED);
            let timer = records::bury(&mut batch, tenant, name, &stored, version, forgotten);
            self.app.schedule.set(&mut batch, &timer);
            let make = |_: &str| Some(answer.clone());
            let told = telling::commit(&self.app, (tenant, name), batch, OF_DELETION, make).await?;
            if let Some(publishing) = told {
                return Ok((answer, publishing));
            }
        }
        Err(busy().into())
    }
}

/// Holds an update to the version that it names. A shadow that is not there has none, so that an
/// update that names one is refused, unless it is the one that comes next.
fn check_version(asked: Option<u64>, is_there: bool, last: u64) -> Result<(), Refusal> {
    match asked {
        None => Ok(()),
        Some(asked) if is_there && asked == last => Ok(()),
        Some(_) if is_there => Err(Refusal::conflict()),
        Some(asked) if asked == last || asked == last + 1 => Ok(()),
        Some(_) => Err(Refusal::invalid("Invalid version")),
    }
}

fn busy() -> ApiError {
    ApiError::unavailable("The shadow is being changed by others. Try again.")
}

/// Forgets the versions of deleted shadows when it is time.
struct Forgets(Arc<App>);

impl OnDue for Forgets {
    fn due<'a>(&'a self, timer: &'a Timer) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(records::forget(&self.0.store, timer))
    }
}
