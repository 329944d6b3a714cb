//! Subscribers that are away while publishers send to their sessions, and come back for it all.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{Load, Stage};
use crate::{clock, mqtt};

const POLL: Duration = Duration::from_millis(50);
const LEAVING_MAX: Duration = Duration::from_secs(10);

impl Load<'_> {
    /// Disconnects all subscribers; their sessions stay.
    pub(super) fn leave(&mut self) -> Result<()> {
        for s in 0..self.traffic.subscribers.len() {
            self.traffic.subscribers[s].is_away = true;
            self.net.send(s, &mut self.traffic, |_, out| {
                out.extend_from_slice(&mqtt::DISCONNECT);
            });
        }
        let from = clock::now();
        while self.traffic.subscribers.iter().any(|subscriber| subscriber.is_connected) {
            self.net.poll(POLL, &mut self.traffic)?;
            if from.elapsed() > LEAVING_MAX {
                bail!("the broker did not close connections that said goodbye");
            }
        }
        Ok(())
    }

    /// Connects all subscribers again, and waits until what they are owed stops coming.
    pub(super) fn come_back(&mut self) -> Result<()> {
        self.traffic.stage = Stage::Running;
        self.figures.back_from = self.traffic.mark();
        for s in 0..self.traffic.subscribers.len() {
            self.traffic.subscribers[s].is_away = false;
            let hello = self.hello(s);
            self.net.reopen(s, self.target, hello)?;
        }
        let mut received = self.traffic.counts.received;
        let mut progressed = clock::now();
        self.figures.back_to = self.figures.back_from;
        while self.traffic.counts.received < self.traffic.counts.expected {
            self.traffic.now = self.traffic.nanos();
            self.reopen_lost()?;
            self.net.poll(POLL, &mut self.traffic)?;
            if self.traffic.counts.received != received {
                received = self.traffic.counts.received;
                progressed = clock::now();
                self.figures.back_to = self.traffic.mark();
            } else if progressed.elapsed().as_secs_f64() > self.options.drain {
                break;
            }
        }
        Ok(())
    }
}
