//! Brings the sessions of an earlier run back, before the first client is let in.

use std::sync::Arc;

use foldhash::HashMap;
use journal::{Recovered, RecoveredEntry};
use mqtt::TopicFilter;
use service::{ApiError, kinds};
use store::{Batch, Direction, Key, KeyRange, Versioned};
use types::Tenant;

use super::record::{
    GroupRecord, SessionRecord, SubscriptionRecord, sessions_range, subscriptions_range,
};
use super::{Sessions, Then, timers};
use crate::groups::Member;
use crate::persistent::Persistent;
use crate::queue::{Queue, QueueLimits};
use crate::space::{Recipient, Space};

/// Records that are read at once.
const PAGE: u32 = 2000;

impl Sessions {
    /// Brings back what is kept for `space`, with what the journal has of it.
    pub(crate) async fn load(
        &self,
        space: &Space,
        recovered: &mut Recovered,
    ) -> Result<(), ApiError> {
        let tenant = &space.tenant;
        let mut unseen = Vec::new();
        self.each(sessions_range(tenant.id), |found| {
            let record: SessionRecord = service::decode(&found)?;
            let was_connected = record.was_connected();
            let session = self.bring_back(record, tenant, recovered);
            if was_connected {
                unseen.push(Arc::clone(&session));
            }
            space.add_session(session);
            Ok(())
        })
        .await?;
        let groups = self.load_groups(space, recovered).await?;
        self.each(subscriptions_range(tenant.id, None), |found| {
            let record: SubscriptionRecord = service::decode(&found)?;
            self.subscribe_again(space, record, &groups);
            Ok(())
        })
        .await?;
        self.note_unseen(unseen).await;
        Ok(())
    }

    fn bring_back(
        &self,
        record: SessionRecord,
        tenant: &Tenant,
        recovered: &mut Recovered,
    ) -> Arc<Persistent> {
        let parts = record.into_parts(self.next_number(), tenant, self.app.env.clock.now());
        Arc::new(Persistent::new(&self.app, parts, recovered))
    }

    /// The queues of groups, by their filters.
    async fn load_groups(
        &self,
        space: &Space,
        recovered: &mut Recovered,
    ) -> Result<HashMap<String, Arc<Queue>>, ApiError> {
        let mut queues = HashMap::default();
        let range = KeyRange::prefix(&Key::new(space.tenant.id, kinds::SHARED_GROUP));
        self.each(range, |found| {
            let record: GroupRecord = service::decode(&found)?;
            let id = record.queue();
            let entries: Vec<RecoveredEntry> = recovered.queues.remove(&id).unwrap_or_default();
            let (limits, journal) = (QueueLimits::new(&self.app.limits), self.app.journal.clone());
            let queue = Queue::new(id, journal, limits, entries);
            queues.insert(record.filter, Arc::new(queue));
            Ok(())
        })
        .await?;
        Ok(queues)
    }

    fn subscribe_again(
        &self,
        space: &Space,
        record: SubscriptionRecord,
        groups: &HashMap<String, Arc<Queue>>,
    ) {
        let Some(session) = space.session(&record.client_id) else { return };
        let Some(held) = record.into_held() else { return };
        let filter: &TopicFilter = &held.filter;
        let to = Recipient::Session(Arc::clone(&session));
        if filter.share().is_some() {
            let member = Member::new(&held, to);
            self.join_with(space, filter, member, groups.get(filter.as_str()).cloned());
        } else {
            space.subscribe([(filter, held.subscription(to))]);
        }
        session.subscriptions.insert(held);
    }

    /// Writes of those whose clients were connected when the server ended that they left now.
    async fn note_unseen(&self, sessions: Vec<Arc<Persistent>>) {
        for session in sessions {
            let (record, timers) = (SessionRecord::of(&session), timers(&session));
            let (tenant, schedule) = (session.tenant.id, self.app.schedule.clone());
            self.change(
                move |batch: &mut Batch| {
                    batch.put(record.key(tenant), service::encode(&record));
                    timers.iter().for_each(|timer| schedule.set(batch, timer));
                },
                Then::Nobody,
            )
            .await;
        }
    }

    async fn each(
        &self,
        range: KeyRange,
        mut act: impl FnMut(Versioned) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let mut after = None;
        loop {
            let page = self.app.store.scan(range.clone(), after, PAGE, Direction::Forward).await?;
            after = page.entries.last().filter(|_| page.has_more).map(|last| last.key.clone());
            for entry in page.entries {
                act(Versioned { value: entry.value, version: entry.version })?;
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
