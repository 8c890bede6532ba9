//! Connections: how many there may be, from whom, and how long a silent one is kept.
//!
//! `axum::serve` has no limit of either kind: whoever opens connections and says nothing would hold
//! every file that the process may open, and nobody else could call.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

/// How long a new connection may take until its first request has a complete head.
const FIRST_HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection is kept between two requests, or while the head of a later one comes.
/// Longer than the pools of usual clients and proxies keep one unused.
const NEXT_HEAD_WITHIN: Duration = Duration::from_secs(75);
/// How long requests in work may take once the process was asked to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// Files that are not connections of callers: databases, logs, connections to servers of ours.
const OTHER_FILES: u64 = 64;
/// How long nothing is accepted after the system refused a connection, for want of files mostly.
const REST: Duration = Duration::from_millis(100);
/// Written to whom no place is left; there is no request to answer yet.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: application/problem+json\r\nRetry-After: 10\r\nConnection: close\r\nContent-Length: 163\r\n\r\n\
    {\"type\":\"/problems/connections\",\"title\":\"Too many connections\",\"status\":503,\"detail\":\"Close connections that you do not use, or ask the operator for more of them\"}";

/// How many connections there may be at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    total: usize,
    per_address: usize,
}

impl Limits {
    /// As many as the process may have open files, after it has asked for all that it may get; from
    /// one address at most this many, and never more than half.
    pub fn of_process(per_address: usize) -> Self {
        let files = getrlimit(Resource::Nofile);
        let raised = rustix::process::Rlimit {
            current: files.maximum,
            ..files
        };
        let files = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => files.maximum,
            Err(_) => files.current,
        };
        // No limit is more than enough.
        let total = files.map_or(usize::MAX, |files| {
            usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX)
        });
        Self::new(total.max(2), per_address)
    }

    const fn new(total: usize, per_address: usize) -> Self {
        let half = total / 2;
        Self {
            total,
            per_address: if per_address < half {
                per_address
            } else {
                half
            },
        }
    }
}

/// The places for connections, and who holds how many.
#[derive(Debug)]
struct Places {
    limits: Limits,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place that is given back when the connection ends.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            held: Mutex::default(),
        })
    }

    fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut held = self.held();
        let of_address = held.by_address.get(&address).copied().unwrap_or(0);
        if held.total >= self.limits.total || of_address >= self.limits.per_address {
            return None;
        }
        held.total += 1;
        held.by_address.insert(address, of_address + 1);
        Some(Place {
            places: Arc::clone(self),
            address,
        })
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        held.total -= 1;
        if let Some(count) = held.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.by_address.remove(&self.address);
            }
        }
    }
}

/// Answers callers until it is asked to stop; then lets requests in work finish, for a while.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stopping: impl Future<Output = ()>,
) {
    let (places, open) = (Places::new(limits), GracefulShutdown::new());
    let mut stopping = std::pin::pin!(stopping);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopping => break,
        };
        match accepted {
            Ok((socket, address)) => match places.take(address.ip()) {
                Some(place) => answer(socket, address, place, router.clone(), &open),
                None => refuse(&socket),
            },
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(REST).await;
            }
        }
    }
    drop(listener);
    tokio::select! {
        () = open.shutdown() => {}
        () = tokio::time::sleep(DRAIN) => tracing::warn!("stopped with requests in work"),
    }
}

/// What the socket does not take at once is left out: whoever has no place gets no time either.
fn refuse(socket: &TcpStream) {
    drop(socket.try_write(FULL));
}

fn answer(
    socket: TcpStream,
    address: SocketAddr,
    place: Place,
    router: Router,
    open: &GracefulShutdown,
) {
    drop(socket.set_nodelay(true));
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let asked = Arc::clone(&asked);
        hyper::service::service_fn(move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(address));
            router.clone().oneshot(request)
        })
    };
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_HEAD_WITHIN);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(socket), service);
    let connection = open.watch(connection.into_owned());
    tokio::spawn(async move {
        let _place = place;
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = &mut connection => return note(ended),
            () = tokio::time::sleep(FIRST_HEAD_WITHIN) => {}
        }
        if asked.load(Ordering::Relaxed) {
            note(connection.await);
        }
    });
}

/// Callers that go away in the middle are no fault of ours.
fn note<E: std::fmt::Display>(ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{FULL, Limits, Places};

    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const TWO: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn one_address_never_takes_every_place() {
        let places = Places::new(Limits::new(10, 100));
        let mut taken: Vec<_> = (0..10).filter_map(|_| places.take(ONE)).collect();
        assert_eq!(taken.len(), 5);
        taken.extend((0..10).filter_map(|_| places.take(TWO)));
        assert_eq!(taken.len(), 10);
        assert!(places.take(IpAddr::V4(Ipv4Addr::LOCALHOST)).is_none());
    }

    #[test]
    fn a_place_is_given_back() {
        let places = Places::new(Limits::new(10, 1));
        let place = places.take(ONE);
        assert!(place.is_some() && places.take(ONE).is_none());
        drop(place);
        assert!(places.take(ONE).is_some());
    }

    #[test]
    fn the_refusal_is_whole() {
        let (head, body) = std::str::from_utf8(FULL)
            .unwrap()
            .split_once("\r\n\r\n")
            .unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
