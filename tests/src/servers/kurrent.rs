//! A KurrentDB inside this process: its Streams protocol over gRPC, its data in memory.
//!
//! - `wire`: the messages, as KurrentDB's .proto files have them
//! - [`streams`]: what it holds, and the rules of appending and reading
//! - `grpc`, `codec`: the methods that Rapport's archive calls
//! - `line`: connections that can be cut
//!
//! It stands in for the real server where none can be had, and is as strict: expected revisions,
//! repeated appends by event id, the limit of an append, streams that are not there. What the
//! archive does not use, it does not have.

mod codec;
mod grpc;
mod line;
pub mod streams;
mod wire;

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use line::Line;
use streams::{Held, Streams};

/// A server on a free port, gone with this value.
#[derive(Debug)]
pub struct Kurrent {
    shared: Shared,
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server and its test both see.
#[derive(Debug, Clone, Default)]
struct Shared {
    streams: Arc<Mutex<Streams>>,
    faults: Arc<Mutex<Faults>>,
    line: Line,
}

/// What is to go wrong.
#[derive(Debug, Default)]
struct Faults {
    lost_acks: usize,
    faster: usize,
}

impl Kurrent {
    /// Starts one that holds nothing, in a thread of its own: a test may block.
    ///
    /// # Panics
    ///
    /// Where there is no free port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Shared::default();
        let (stop, stopped) = oneshot::channel();
        let server = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = grpc::serve(server, listener) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            shared,
            port,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "kurrentdb://127.0.0.1:{}?tls=false&discoveryInterval=20",
            self.port
        )
    }

    /// Accepts the next appends, this many, and cuts the connection instead of answering.
    pub fn lose_acks(&self, count: usize) {
        lock(&self.shared.faults).lost_acks = count;
    }

    /// How many acknowledgements are still to be lost.
    #[must_use]
    pub fn acks_to_lose(&self) -> usize {
        lock(&self.shared.faults).lost_acks
    }

    /// Another writer appends the first events of the next append that has more of them, just
    /// before it.
    pub fn let_another_be_faster(&self, by: usize) {
        lock(&self.shared.faults).faster = by;
    }

    /// Whether somebody is still to be faster.
    #[must_use]
    pub fn another_will_be_faster(&self) -> bool {
        lock(&self.shared.faults).faster > 0
    }

    /// Cuts every connection, and takes none until it is back.
    pub fn go_away(&self) {
        self.shared.line.go_away();
    }

    /// Takes connections again.
    pub fn come_back(&self) {
        self.shared.line.come_back();
    }

    /// The names of its streams.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        lock(&self.shared.streams).names()
    }

    /// What a stream holds.
    #[must_use]
    pub fn events(&self, stream: &str) -> Vec<Held> {
        lock(&self.shared.streams).events(stream).to_vec()
    }

    /// Does to a stream what no client may: the disk was tampered with.
    pub fn tamper(&self, stream: &str, with: impl FnOnce(&mut Vec<Held>)) {
        lock(&self.shared.streams).tamper(stream, with);
    }
}

impl Drop for Kurrent {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panicked only if there was no runtime, and then the test has failed already.
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
