//! The physical limits beside which the figures stand: a disk that keeps what it is told, and an
//! HTTP server that has nothing to do.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::any;
use stories::servers::Folder;

use crate::FOR;
use crate::http::{connect, request};
use crate::load::{Measured, clients, measured, row};

/// What this program is told to be such a server.
pub const IDLE_SERVER: &str = "idle-server";
/// What a group of commits writes at least.
const GROUP: usize = 64 * 1024;

/// Measures and prints; answers what HTTP can do with 32 clients.
pub async fn measure() -> Measured {
    fsync();
    let server = IdleServer::start();
    let connections = connect(&server.address, 32).await;
    let asked: Arc<str> = request("", "GET", "/", "").into();
    let http = clients(32, FOR, move |client| {
        let (connections, asked) = (Arc::clone(&connections), Arc::clone(&asked));
        async move {
            let status = connections[client].lock().await.ask(asked.as_bytes()).await;
            assert_eq!(status, 200);
        }
    })
    .await;
    row("limit: axum with nothing to do, 32 clients", http, None);
    http
}

/// Appends and fsyncs, one after the other, by one thread.
fn fsync() {
    let folder = Folder::new("bench");
    let mut file = File::create(folder.path().join("fsync")).expect("a file");
    let (bytes, begun, mut took) = (vec![7; GROUP], Instant::now(), Vec::new());
    while begun.elapsed() < FOR {
        let at = Instant::now();
        file.write_all(&bytes).expect("written");
        file.sync_all().expect("on the disk");
        took.push(at.elapsed());
    }
    let all: Duration = took.iter().sum();
    row("limit: append 64 KB and fsync", measured(took, all), None);
}

/// An axum server in a process of its own, as Rapport is.
struct IdleServer {
    process: Child,
    address: String,
}

impl IdleServer {
    fn start() -> Self {
        let this = std::env::current_exe().expect("a program");
        let mut command = Command::new(this);
        command.arg(IDLE_SERVER).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        let mut said = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut address = String::new();
        said.read_line(&mut address).expect("it says where");
        let address = address.trim().to_owned();
        Self { process, address }
    }
}

impl Drop for IdleServer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Answers everything at once, for ever.
pub async fn serve() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(any(async || "nothing to do"));
    axum::serve(listener, router).await.expect("it serves");
}
