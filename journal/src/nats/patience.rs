//! Trying again for a while: an election or a reconnect passes within seconds.

use std::time::Duration;

use tokio::time::Instant;

use crate::JournalError;

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long a read is tried: longer than the nodes need to find that a leader is gone (4 to 9
/// seconds) and to follow another one.
const READ_WITHIN: Duration = Duration::from_secs(15);

/// Growing pauses until a deadline.
#[derive(Debug)]
pub(super) struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(within: Duration) -> Self {
        Self {
            deadline: Instant::now() + within,
            pause: FIRST_PAUSE,
        }
    }

    /// Waits a little; `false` at once when the time is up.
    pub(super) async fn pause(&mut self) -> bool {
        if Instant::now() > self.deadline {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}

/// Reads again while NATS is unavailable, for a while.
pub(super) async fn patiently<T, F>(read: impl Fn() -> F) -> Result<T, JournalError>
where
    F: Future<Output = Result<T, JournalError>>,
{
    let mut patience = Patience::new(READ_WITHIN);
    loop {
        match read().await {
            Err(JournalError::Unavailable(error)) => {
                if !patience.pause().await {
                    return Err(JournalError::Unavailable(error));
                }
                tracing::debug!(%error, "reading from NATS again");
            }
            answer => return answer,
        }
    }
}
