//! What happens to sessions while their clients are away: Wills that waited are published, and
//! sessions end.

use std::sync::{Arc, Weak};

use service::{ApiError, BoxFuture, OnDue, Sender, Timer, TimerKind};

use crate::Broker;
use crate::sessions::Unavailable;

/// Acts for the broker, as long as that is there.
struct Timers(Weak<Broker>);

impl Broker {
    /// Acts on the timers of sessions from now on.
    pub(crate) fn serve_timers(self: &Arc<Self>) {
        let timers = Arc::new(Timers(Arc::downgrade(self)));
        self.app.schedule.serve(TimerKind::SESSION_EXPIRY, Arc::clone(&timers) as Arc<dyn OnDue>);
        self.app.schedule.serve(TimerKind::WILL_DELAY, timers);
    }

    /// Does what `timer` is for, unless the client is back or has left anew.
    async fn on_timer(&self, timer: &Timer) -> Result<(), Unavailable> {
        let Some(space) = self.known_space(timer.tenant) else { return Ok(()) };
        // Nobody comes back meanwhile.
        let door = space.door(&timer.id).lock().await;
        let Some(session) = space.session(&timer.id).filter(|session| !session.is_online()) else {
            return Ok(());
        };
        let sender = Sender { client_id: Some(timer.id.clone()), ..Sender::default() };
        if timer.kind == TimerKind::WILL_DELAY {
            if session.will().is_some_and(|will| will.due <= timer.due)
                && let Some(will) = session.take_will()
            {
                self.publish_will(&space, &will.message, sender);
                self.sessions.end_will(&session).await?;
            }
        } else if session.expires().is_some_and(|expires| expires <= timer.due) {
            let will = self.sessions.end(&space, &session).await?;
            drop(door);
            if let Some(will) = will {
                self.publish_will(&space, &will, sender);
            }
        }
        Ok(())
    }
}

impl OnDue for Timers {
    fn due<'a>(&'a self, timer: &'a Timer) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async move {
            let Some(broker) = self.0.upgrade() else { return Ok(()) };
            let done = broker.on_timer(timer).await;
            done.map_err(|_| ApiError::unavailable("The session could not be written."))
        })
    }
}
