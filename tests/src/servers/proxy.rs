//! A TCP proxy that makes the network between us and a server as bad as it can be.
//!
//! Invariant: bytes come in order or not at all. A connection that has lost some is cut before
//! anything else comes through it, as TCP would have it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::dice::Dice;

const CHUNK: usize = 16 * 1024;

/// What happens to what comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// It passes.
    Clear,
    /// Every piece is late, at most by this.
    Slow(Duration),
    /// Nothing passes, and nobody is told: neither end sees the connection close.
    Silent,
    /// What the client sends passes; what the server answers is swallowed.
    Deaf,
}

#[derive(Debug, Clone, Copy)]
struct Sky {
    weather: Weather,
    /// How often all connections were cut.
    cuts: u64,
}

/// A proxy before one server. It ends with this value.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    sky: Arc<watch::Sender<Sky>>,
    listening: AbortHandle,
}

impl Proxy {
    /// Listens on a free port for a server at this port of this machine.
    ///
    /// # Panics
    ///
    /// Where no port is free.
    pub async fn start(server: u16, dice: Dice) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let sky = Arc::new(watch::Sender::new(Sky {
            weather: Weather::Clear,
            cuts: 0,
        }));
        let accepting = accept(listener, server, Arc::clone(&sky), dice);
        Self {
            port,
            listening: tokio::spawn(accepting).abort_handle(),
            sky,
        }
    }

    /// The same address with our port in place of the server's.
    #[must_use]
    pub fn before(&self, url: &str, server: u16) -> String {
        url.replace(&format!(":{server}"), &format!(":{}", self.port))
    }

    /// Changes the weather. Connections that have swallowed something are cut with it.
    pub fn set(&self, weather: Weather) {
        self.sky.send_modify(|sky| {
            sky.cuts += u64::from(sky.weather == Weather::Deaf);
            sky.weather = weather;
        });
    }

    /// Cuts every connection; new ones are taken.
    pub fn cut(&self) {
        self.sky.send_modify(|sky| sky.cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, server: u16, sky: Arc<watch::Sender<Sky>>, dice: Dice) {
    let mut place = 0;
    while let Ok((client, _)) = listener.accept().await {
        place += 1;
        let (sky, dice) = (sky.subscribe(), dice.for_place(place));
        tokio::spawn(async move {
            // A server that is down is one that hangs up.
            if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                join(client, server, sky, &dice).await;
            }
        });
    }
}

/// Until one end hangs up or the connection is cut.
async fn join(client: TcpStream, server: TcpStream, mut sky: watch::Receiver<Sky>, dice: &Dice) {
    let cuts = sky.borrow().cuts;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asks = pump(
        from_client,
        to_server,
        sky.clone(),
        dice.for_place(1),
        false,
    );
    let answers = pump(from_server, to_client, sky.clone(), dice.for_place(2), true);
    tokio::select! {
        () = asks => {}
        () = answers => {}
        _ = sky.wait_for(|sky| sky.cuts > cuts) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut sky: watch::Receiver<Sky>,
    mut dice: Dice,
    answers: bool,
) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        // An error means that the proxy is gone, and the connection with it.
        let now = sky.wait_for(|sky| sky.weather != Weather::Silent).await;
        let Ok(weather) = now.map(|sky| sky.weather) else {
            return;
        };
        match weather {
            Weather::Deaf if answers => continue,
            Weather::Slow(most) => {
                let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
                tokio::time::sleep(Duration::from_micros(dice.below(most))).await;
            }
            Weather::Clear | Weather::Deaf | Weather::Silent => {}
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}
