//! Reads bodies while the writer writes.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::lock;
use super::segment::Segment;
use super::state::{Place, State};
use crate::{JournalError, Sequence};

#[derive(Clone)]
pub(crate) struct Reader(Arc<Mutex<State>>);

impl Reader {
    pub(super) fn new(state: Arc<Mutex<State>>) -> Self {
        Self(state)
    }

    /// Whether all these entries are written, and not gone.
    pub(crate) fn has_all(&self, sequences: &[Sequence]) -> bool {
        let state = lock(&self.0);
        sequences.iter().all(|sequence| state.index.place(*sequence).is_some())
    }

    /// The bodies of entries; `None` for one that is not there.
    pub(crate) async fn read(
        &self,
        sequences: Vec<Sequence>,
    ) -> Result<Vec<Option<Bytes>>, JournalError> {
        let places = self.places(&sequences);
        let read =
            move || places.iter().map(|found| found.as_ref().map(body).transpose()).collect();
        tokio::task::spawn_blocking(read).await.map_err(|_| JournalError::Stopped)?
    }

    fn places(&self, sequences: &[Sequence]) -> Vec<Option<(Arc<Segment>, Place)>> {
        let state = lock(&self.0);
        let find = |sequence: &Sequence| {
            let place = state.index.place(*sequence)?;
            let kept = state.segments.get(&place.segment)?;
            Some((Arc::clone(&kept.segment), place))
        };
        sequences.iter().map(find).collect()
    }
}

fn body((segment, place): &(Arc<Segment>, Place)) -> Result<Bytes, JournalError> {
    segment.body_at(u64::from(place.offset), place.bytes as usize)
}
