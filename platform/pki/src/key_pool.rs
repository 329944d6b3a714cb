//! A few RSA keys made in advance, so that a burst of new devices does not wait for each.

use std::sync::{Arc, Mutex, PoisonError};

use env::{TaskKind, Tasks};
use tokio::sync::Semaphore;

use crate::{DeviceKey, PkiError};

/// How many keys are kept ready unless the configuration says otherwise.
pub const KEY_POOL_DEFAULT: usize = 8;

/// Hands out RSA-2048 keys. Nothing is made before the first is asked for; from then on a
/// background task refills what was taken. Cheap to clone.
#[derive(Clone)]
pub struct KeyPool(Arc<Shared>);

struct Shared {
    tasks: Tasks,
    capacity: usize,
    stock: Mutex<Stock>,
    /// As many as there are cores: more makers at once would only slow one another.
    makers: Semaphore,
}

#[derive(Default)]
struct Stock {
    ready: Vec<DeviceKey>,
    is_refilling: bool,
}

impl KeyPool {
    /// A pool that keeps up to `capacity` keys ready.
    pub fn new(capacity: usize, tasks: &Tasks) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Shared {
            tasks: tasks.clone(),
            capacity,
            stock: Mutex::default(),
            makers: Semaphore::new(cores),
        }))
    }

    /// A ready key at once, or a new one as soon as a core is free to make it.
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
    async fn refill(&self) {
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

    async fn ready_or_made(&self) -> Result<DeviceKey, PkiError> {
        let permit = self.makers.acquire().await.map_err(|_| PkiError::Cryptography)?;
        if let Some(key) = self.take_ready() {
            return Ok(key);
        }
        let key = make_aside().await;
        drop(permit);
        key
    }

    async fn make(&self) -> Result<DeviceKey, PkiError> {
        let _permit = self.makers.acquire().await.map_err(|_| PkiError::Cryptography)?;
        make_aside().await
    }

    fn take_ready(&self) -> Option<DeviceKey> {
        self.with_stock(|stock| stock.ready.pop())
    }

    /// Whether the caller is to refill: the pool has room and nobody else is at it.
    fn begin_refill(&self) -> bool {
        self.with_stock(|stock| {
            let begins = !stock.is_refilling && stock.ready.len() < self.capacity;
            stock.is_refilling |= begins;
            begins
        })
    }

    /// Whether the pool has room. Ends the refill in the same breath if not, so that a key taken
    /// right after begins another.
    fn wants_more(&self) -> bool {
        self.with_stock(|stock| {
            stock.is_refilling = stock.ready.len() < self.capacity;
            stock.is_refilling
        })
    }

    fn with_stock<T>(&self, act: impl FnOnce(&mut Stock) -> T) -> T {
        act(&mut self.stock.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes a key on a thread that may block.
async fn make_aside() -> Result<DeviceKey, PkiError> {
    let made = tokio::task::spawn_blocking(DeviceKey::generate).await;
    made.unwrap_or(Err(PkiError::Cryptography))
}
