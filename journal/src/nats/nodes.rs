//! Which of the cluster's nodes this process is connected to.
//!
//! Every process has a home, drawn at random, so that processes are spread over the nodes. One whose
//! node falls silent goes to another, and back home once that has been answering for a while.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, ReconnectToServer, Server, ServerAddr};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::meters;

/// How often a process that is not at home looks whether it could be.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// So many looks in a row must find the home answering.
const LOOKS: u32 = 3;
/// How long a node may take to greet.
const GREETS_WITHIN: Duration = Duration::from_secs(1);
/// How long a move waits for a moment without appends in flight.
const QUIET_WITHIN: Duration = Duration::from_secs(10);
const LOOK_FOR_QUIET_EVERY: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The nodes that were named.
#[derive(Debug)]
pub(super) struct Nodes {
    addresses: Vec<ServerAddr>,
    home: usize,
    /// The one that was tried last.
    last: AtomicUsize,
    /// Where the next connection is to be made first, whatever went before.
    wanted: Mutex<Option<usize>>,
}

impl Nodes {
    /// `draw` says which one is home.
    pub(super) fn new(addresses: Vec<ServerAddr>, draw: u128) -> Arc<Self> {
        let count = addresses.len().max(1);
        let home = usize::try_from(draw % count as u128).unwrap_or_default();
        Arc::new(Self {
            addresses,
            home,
            last: AtomicUsize::new((home + count - 1) % count),
            wanted: Mutex::new(None),
        })
    }

    pub(super) fn addresses(&self) -> &[ServerAddr] {
        &self.addresses
    }

    /// Where to connect now: to the next one in turn among those that failed least often, so that the
    /// one that has just fallen silent comes last.
    pub(super) fn next(&self, pool: &[Server]) -> Option<ReconnectToServer> {
        let failed = |place: usize| {
            let address = self.addresses.get(place)?;
            let known = pool.iter().find(|known| known.addr == *address)?;
            Some(known.failed_attempts)
        };
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = (self.addresses.len(), self.last.load(Ordering::Relaxed));
        let in_turn = (1..=count).map(|step| (last + step) % count);
        let chosen = wanted
            .take()
            .or_else(|| in_turn.min_by_key(|place| failed(*place).unwrap_or(usize::MAX)))?;
        self.last.store(chosen, Ordering::Relaxed);
        let tries = u32::try_from(failed(chosen)?).unwrap_or(u32::MAX);
        let pause = Duration::from_millis(50).saturating_mul(tries);
        Some(ReconnectToServer {
            addr: self.addresses.get(chosen)?.clone(),
            delay: Some(pause.min(LONGEST_PAUSE)),
        })
    }

    fn is_at_home(&self) -> bool {
        self.last.load(Ordering::Relaxed) == self.home
    }

    /// Goes home whenever that is possible, until nobody uses the client any more.
    pub(super) async fn keep_spread(self: Arc<Self>, client: impl Fn() -> Option<Client>) {
        if self.addresses.len() < 2 {
            return;
        }
        let mut greeted = 0;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(client) = client() else { return };
            if self.is_at_home() || !greets(&self.addresses[self.home]).await {
                greeted = 0;
                continue;
            }
            greeted += 1;
            if greeted >= LOOKS {
                greeted = 0;
                self.go_home(&client).await;
            }
        }
    }

    /// What is under way on a connection that is given up is asked again after its deadline; a moment
    /// in which nothing is appended spares that.
    async fn go_home(&self, client: &Client) {
        let quiet = async {
            while meters::appends_in_flight() > 0 {
                tokio::time::sleep(LOOK_FOR_QUIET_EVERY).await;
            }
        };
        drop(tokio::time::timeout(QUIET_WITHIN, quiet).await);
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.home);
        tracing::info!("going back to the NATS node that this process was on");
        if let Err(error) = client.force_reconnect().await {
            tracing::debug!(%error, "the connection to NATS is closed");
        }
    }
}

/// Whether a node says hello: one that is frozen takes connections too, and is silent.
async fn greets(address: &ServerAddr) -> bool {
    let hello = async {
        let mut socket = TcpStream::connect((address.host(), address.port())).await?;
        let mut hello = [0; 4];
        socket.read_exact(&mut hello).await?;
        Ok::<_, std::io::Error>(hello == *b"INFO")
    };
    let hello = tokio::time::timeout(GREETS_WITHIN, hello).await;
    matches!(hello, Ok(Ok(true)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::str::FromStr as _;

    use async_nats::{Server, ServerAddr};

    use super::Nodes;

    fn addresses() -> Vec<ServerAddr> {
        let address = |host: &str| ServerAddr::from_str(host).unwrap();
        ["nats://a", "nats://b", "nats://c"].map(address).to_vec()
    }

    fn pool(failed: [usize; 3]) -> Vec<Server> {
        let server = |(addr, failed_attempts)| Server {
            addr,
            failed_attempts,
            did_connect: true,
            is_discovered: false,
            last_error: None,
        };
        addresses().into_iter().zip(failed).map(server).collect()
    }

    fn next(nodes: &Nodes, failed: [usize; 3]) -> String {
        let chosen = nodes.next(&pool(failed)).unwrap();
        chosen.addr.host().to_owned()
    }

    #[test]
    fn homes_are_spread_and_come_first() {
        let homes = (0..3).map(|draw| next(&Nodes::new(addresses(), draw), [0; 3]));
        assert_eq!(homes.collect::<HashSet<_>>().len(), 3);
    }

    #[test]
    fn the_one_that_fell_silent_comes_last() {
        let nodes = Nodes::new(addresses(), 0);
        let tried: Vec<_> = (0..4).map(|_| next(&nodes, [0; 3])).collect();
        assert_eq!(tried, ["a", "b", "c", "a"]);
    }

    #[test]
    fn one_that_fails_is_tried_after_those_that_do_not() {
        let nodes = Nodes::new(addresses(), 0);
        assert_eq!(next(&nodes, [0; 3]), "a");
        assert_eq!(next(&nodes, [0, 2, 0]), "c", "b has failed twice");
    }

    #[test]
    fn whoever_is_called_home_goes_there_once() {
        let nodes = Nodes::new(addresses(), 0);
        let _ = (next(&nodes, [0; 3]), next(&nodes, [1, 0, 0]));
        *nodes.wanted.lock().unwrap() = Some(0);
        assert_eq!(next(&nodes, [1, 0, 0]), "a");
        assert_eq!(next(&nodes, [1, 0, 0]), "b");
    }
}
