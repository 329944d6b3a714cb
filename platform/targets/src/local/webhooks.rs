//! Webhooks of local topics: each message is posted, in order, until the other side takes it.
//!
//! The topic's stream is the queue and a record says how far it has come, so that a restart loses
//! nothing and repeats little.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use env::{Env, Random, TaskKind, Tasks};
use http::{HeaderName, HeaderValue};
use metrics::counter;
use outbound::{Client, Request, RetryPolicy, Url, retry};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Batch, Direction, Key, KeyRange, Store};
use tokio::sync::watch;

use super::Kinds;
use super::streams::{Keys, StreamName, StreamRecord, Streams};
use crate::{Caller, Service, TargetError};

/// Posts messages of topics to whoever the settings name.
pub(crate) struct Webhooks(Arc<Shared>);

struct Shared {
    streams: Arc<Streams>,
    store: Store,
    keys: Keys,
    /// By the topic's name or ARN.
    urls: HashMap<String, Url>,
    client: Client,
    random: Random,
    tasks: Tasks,
    /// Topics that have a task, and from which generation on.
    served: Mutex<HashMap<StreamName, u64>>,
    /// Grows when the store was wiped, which ends all tasks.
    generation: watch::Sender<u64>,
}

/// How far a topic's webhook has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    topic_arn: String,
    next_offset: u64,
}

/// How often a message is tried.
const TRIES: RetryPolicy = RetryPolicy {
    tries_max: 20,
    delay_first: Duration::from_secs(1),
    delay_max: Duration::from_secs(300),
    within: Duration::from_secs(3600),
};
/// Messages that are read at once.
const PAGE: usize = 100;
/// What passes before a store that failed is asked again.
const PAUSE: Duration = Duration::from_secs(5);
/// Topics that are read at once when the server starts.
const TOPICS_AT_ONCE: u32 = 100;

impl Webhooks {
    /// Goes on where the server before has ended.
    pub(crate) fn start(
        streams: Arc<Streams>,
        store: Store,
        kinds: Kinds,
        urls: &BTreeMap<String, String>,
        client: &Client,
        env: &Env,
    ) -> io::Result<Self> {
        let read = |(topic, url): (&String, &String)| match Url::parse(url) {
            Ok(url) => Ok((topic.clone(), url)),
            Err(error) => {
                let text = format!("targets.sns.webhooks, `{topic}`: {error}");
                Err(io::Error::new(io::ErrorKind::InvalidInput, text))
            }
        };
        let shared = Arc::new(Shared {
            streams,
            store,
            keys: Keys(kinds),
            urls: urls.iter().map(read).collect::<Result<_, _>>()?,
            client: client.clone(),
            random: env.random.clone(),
            tasks: env.tasks.clone(),
            served: Mutex::default(),
            generation: watch::Sender::new(0),
        });
        let resumed = Arc::clone(&shared);
        env.tasks.spawn("targets-webhooks", TaskKind::Transient, resumed.resume());
        Ok(Self(shared))
    }

    /// Sees to it that what is published to the topic from now on is posted.
    pub(crate) async fn serve(
        &self,
        caller: &Caller,
        topic_arn: &str,
        topic: &str,
    ) -> Result<(), TargetError> {
        let Some(url) = self.0.url_of(topic_arn, topic) else { return Ok(()) };
        let stream = StreamName::new(caller.tenant.id, Service::Sns, topic);
        if self.0.served().contains_key(&stream) {
            return Ok(());
        }
        let progress = self.0.begin(&stream, topic_arn).await?;
        self.0.spawn(stream, progress, url);
        Ok(())
    }
}

impl Webhooks {
    /// To be called when the store was wiped: what is under way is given up.
    pub(crate) fn forget(&self) {
        self.0.served().clear();
        self.0.generation.send_modify(|generation| *generation += 1);
    }
}

impl Shared {
    fn url_of(&self, topic_arn: &str, topic: &str) -> Option<Url> {
        self.urls.get(topic_arn).or_else(|| self.urls.get(topic)).cloned()
    }

    fn served(&self) -> std::sync::MutexGuard<'_, HashMap<StreamName, u64>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a topic's webhook begins: where it was, or at the end of what there is now.
    async fn begin(&self, stream: &StreamName, topic_arn: &str) -> Result<Progress, TargetError> {
        let found = self.store.get(&self.keys.webhook(stream)).await;
        let found = found.map_err(|error| TargetError::of_store(Service::Sns, error))?;
        if let Some(progress) = found.and_then(|found| serde_json::from_slice(&found.value).ok()) {
            return Ok(progress);
        }
        let next_offset = self.streams.end(stream).await?;
        let progress = Progress { topic_arn: topic_arn.to_owned(), next_offset };
        self.keep(stream, &progress).await?;
        Ok(progress)
    }

    async fn keep(&self, stream: &StreamName, progress: &Progress) -> Result<(), TargetError> {
        let mut batch = Batch::new();
        let json = serde_json::to_vec(progress).expect("progress is JSON");
        batch.put(self.keys.webhook(stream), json);
        let kept = self.store.commit(batch).await;
        kept.map(|_| ()).map_err(|error| TargetError::of_commit(Service::Sns, error))
    }

    fn spawn(self: &Arc<Self>, stream: StreamName, progress: Progress, url: Url) {
        let (mut generation, mut stop) =
            (self.generation.subscribe(), self.tasks.shutdown_signal());
        let began = *generation.borrow_and_update();
        if self.served().insert(stream.clone(), began).is_some() {
            return;
        }
        let shared = Arc::clone(self);
        self.tasks.spawn("targets-webhook", TaskKind::Transient, async move {
            let mut progress = progress;
            tokio::select! {
                biased;
                () = stop.begun() => drop(shared.keep(&stream, &progress).await),
                _ = generation.changed() => {}
                () = shared.post_all(&stream, &mut progress, &url) => {}
            }
        });
    }

    /// Starts what was under way when the server before ended; forgets what has no URL any more.
    async fn resume(self: Arc<Self>) {
        let mut after: Option<Key> = None;
        loop {
            let range = KeyRange::prefix(&self.keys.webhooks());
            let page = self.store.scan(range, after, TOPICS_AT_ONCE, Direction::Forward).await;
            let Ok(page) = page else { return };
            for entry in &page.entries {
                let stream = Keys::read_stream(&entry.key);
                let progress = serde_json::from_slice::<Progress>(&entry.value).ok();
                let Some((stream, progress)) = stream.zip(progress) else { continue };
                match self.url_of(&progress.topic_arn, &stream.name) {
                    Some(url) => self.spawn(stream, progress, url),
                    None => self.forget(&stream).await,
                }
            }
            after = page.entries.last().map(|entry| entry.key.clone());
            if !page.has_more {
                return;
            }
        }
    }

    async fn forget(&self, stream: &StreamName) {
        let mut batch = Batch::new();
        batch.delete(self.keys.webhook(stream));
        // One that stays is forgotten at the next start.
        drop(self.store.commit(batch).await);
    }

    async fn post_all(&self, stream: &StreamName, progress: &mut Progress, url: &Url) {
        let mut appended = self.streams.appended();
        loop {
            appended.mark_unchanged();
            match self.post_page(stream, progress, url).await {
                Ok(false) if appended.changed().await.is_err() => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, topic = stream.name, "could not read a topic");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Posts some messages; returns whether there were any.
    async fn post_page(
        &self,
        stream: &StreamName,
        progress: &mut Progress,
        url: &Url,
    ) -> Result<bool, TargetError> {
        let page = self.streams.read(stream, progress.next_offset, PAGE).await?;
        let has_moved = page.next_offset > progress.next_offset;
        for record in &page.records {
            self.post(record, &progress.topic_arn, url).await;
            progress.next_offset = record.offset + 1;
        }
        progress.next_offset = page.next_offset;
        if has_moved {
            self.keep(stream, progress).await?;
        }
        Ok(has_moved)
    }

    async fn post(&self, record: &StreamRecord, topic_arn: &str, url: &Url) {
        let request = notification(record, topic_arn, url);
        let attempt = |_| self.post_once(request.clone());
        let is_transient = |failed: &Failed| failed.is_transient;
        if let Err(failed) = retry(&TRIES, &self.random, attempt, is_transient).await {
            counter!("ferrite_sns_webhook_failures_total").increment(1);
            let Failed { why, .. } = failed;
            tracing::error!(topic = topic_arn, message = record.label, why, "webhook given up");
        }
    }

    async fn post_once(&self, request: Request) -> Result<(), Failed> {
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| Failed { is_transient: error.is_transient(), why: error.chain() })?;
        let status = response.status;
        if status.is_success() {
            return Ok(());
        }
        let is_transient = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
        Err(Failed { is_transient, why: format!("it answered {status}") })
    }
}

struct Failed {
    is_transient: bool,
    why: String,
}

/// What SNS posts to subscribers, without a signature.
fn notification(record: &StreamRecord, topic_arn: &str, url: &Url) -> Request {
    let body = json!({
        "Type": "Notification",
        "MessageId": record.label,
        "TopicArn": topic_arn,
        "Message": String::from_utf8_lossy(&record.data),
        "Timestamp": record.time.to_rfc3339(),
    });
    let mut request = Request::post(url.clone(), body.to_string().into());
    for (name, value) in [
        ("content-type", "text/plain; charset=UTF-8"),
        ("x-amz-sns-message-type", "Notification"),
        ("x-amz-sns-message-id", &record.label),
        ("x-amz-sns-topic-arn", topic_arn),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            request.headers.insert(HeaderName::from_static(name), value);
        }
    }
    request
}
