//! A few RSA keys made in advance, so that a burst of new devices does not wait for each.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use env::{TaskKind, Tasks};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::{DeviceKey, PkiError};

/// How many keys are kept ready unless the configuration says otherwise.
pub const KEY_POOL_DEFAULT: usize = 8;

/// Hands out RSA-2048 keys. Nothing is made before the first is asked for; from then on a
/// background task refills what was taken. Cheap to clone.
#[derive(Clone)]
pub struct KeyPool(Arc<Shared>);

/// How much a pool does at once, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct KeyPoolBounds {
    /// Keys that are kept ready.
    pub ready: usize,
    /// Keys that are made at once: more than there are cores would only slow one another.
    pub makers: usize,
    /// Those who may ask for a key when none is ready.
    pub waiting: usize,
    /// How long each of them waits for a maker.
    pub wait: Duration,
}

struct Shared {
    tasks: Tasks,
    bounds: KeyPoolBounds,
    stock: Mutex<Stock>,
    makers: Arc<Semaphore>,
    waiting: Semaphore,
}

#[derive(Default)]
struct Stock {
    ready: Vec<DeviceKey>,
    is_refilling: bool,
}

impl KeyPool {
    /// An empty pool.
    pub fn new(bounds: KeyPoolBounds, tasks: &Tasks) -> Self {
        Self(Arc::new(Shared {
            tasks: tasks.clone(),
            bounds,
            stock: Mutex::default(),
            makers: Arc::new(Semaphore::new(bounds.makers)),
            waiting: Semaphore::new(bounds.waiting),
        }))
    }

    /// A ready key at once, or a new one as soon as there is a maker for it. If too many wait, or
    /// it takes too long, it is [`PkiError::KeysAwaited`].
    pub async fn take(&self) -> Result<DeviceKey, PkiError> {
        let ready = self.0.take_ready();
        self.refill_in_background();
        match ready {
            Some(key) => Ok(key),
            None => self.0.ready_or_made().await,
        }
    }

    /// How many keys are ready now.
    pub fn ready(&self) -> usize {
        self.0.with_stock(|stock| stock.ready.len())
    }

    fn refill_in_background(&self) {
        if self.0.begin_refill() {
            let pool = self.clone();
            let work = async move { pool.0.refill().await };
            self.0.tasks.spawn("key pool", TaskKind::Transient, work);
        }
    }
}

impl Shared {
    /// Makes keys until the pool is full, no key can be made, or the server stops.
    async fn refill(self: &Arc<Self>) {
        let shutdown = self.tasks.shutdown_signal();
        while !shutdown.has_begun() && self.wants_more() {
            match self.make().await {
                Ok(key) => self.with_stock(|stock| stock.ready.push(key)),
                Err(error) => {
                    tracing::warn!(%error, "key pool stopped refilling");
                    break;
                }
            }
        }
        self.with_stock(|stock| stock.is_refilling = false);
    }

    async fn ready_or_made(self: &Arc<Self>) -> Result<DeviceKey, PkiError> {
        let _place = self.waiting.try_acquire().map_err(|_| PkiError::KeysAwaited)?;
        let maker = timeout(self.bounds.wait, self.maker()).await;
        let maker = maker.map_err(|_| PkiError::KeysAwaited)??;
        match self.take_ready() {
            Some(key) => Ok(key),
            None => self.make_aside(maker).await,
        }
    }

    async fn make(self: &Arc<Self>) -> Result<DeviceKey, PkiError> {
        let maker = self.maker().await?;
        self.make_aside(maker).await
    }

    /// Makes a key on a thread that may block, and keeps `maker` until it is made. Whoever asked may
    /// be gone by then: the key is for the next one.
    async fn make_aside(
        self: &Arc<Self>,
        maker: OwnedSemaphorePermit,
    ) -> Result<DeviceKey, PkiError> {
        let (answer, answered) = oneshot::channel();
        let pool = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let key = DeviceKey::generate();
            drop(maker);
            if let Err(Ok(key)) = answer.send(key) {
                pool.keep(key);
            }
        });
        answered.await.unwrap_or(Err(PkiError::Cryptography))
    }

    /// Keeps a key that nobody waits for, if there is room for it.
    fn keep(&self, key: DeviceKey) {
        self.with_stock(|stock| {
            if stock.ready.len() < self.bounds.ready {
                stock.ready.push(key);
            }
        });
    }

    async fn maker(&self) -> Result<OwnedSemaphorePermit, PkiError> {
        Arc::clone(&self.makers).acquire_owned().await.map_err(|_| PkiError::Cryptography)
    }

    fn take_ready(&self) -> Option<DeviceKey> {
        self.with_stock(|stock| stock.ready.pop())
    }

    /// Whether the caller is to refill: the pool has room and nobody else is at it.
    fn begin_refill(&self) -> bool {
        self.with_stock(|stock| {
            let begins = !stock.is_refilling && stock.ready.len() < self.bounds.ready;
            stock.is_refilling |= begins;
            begins
        })
    }

    /// Whether the pool has room. Ends the refill in the same breath if not, so that a key taken
    /// right after begins another.
    fn wants_more(&self) -> bool {
        self.with_stock(|stock| {
            stock.is_refilling = stock.ready.len() < self.bounds.ready;
            stock.is_refilling
        })
    }

    fn with_stock<T>(&self, act: impl FnOnce(&mut Stock) -> T) -> T {
        act(&mut self.stock.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
