//! One PostgreSQL server.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::process::Command;
use std::time::Duration;

use super::child::Server;
use super::folder::Folder;
use super::{eventually, tools};

const LOG: &str = "postgres.log";
const TRIES: usize = 5;

/// A PostgreSQL server that trusts whoever connects from this machine, and syncs every commit.
#[derive(Debug)]
pub struct Postgres {
    // Dropped in this order: first the process, then its folder.
    server: Option<Server>,
    folder: Folder,
    port: u16,
    user: Option<User>,
}

/// Whom the server runs as where we are root, which it refuses to be.
#[derive(Debug)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    fn for_server() -> Option<Self> {
        let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        root.then(|| {
            let users = fs::read_to_string("/etc/passwd").expect("there are users");
            let fields = users
                .lines()
                .map(|line| line.split(':').collect::<Vec<_>>())
                .find(|fields| fields[0] == "postgres")
                .expect("no user `postgres`: run ops/test once, it installs postgresql");
            Self {
                uid: fields[2].parse().expect("a uid"),
                gid: fields[3].parse().expect("a gid"),
            }
        })
    }

    fn setpriv(&self) -> Vec<String> {
        let Self { uid, gid } = self;
        vec![
            format!("--reuid={uid}"),
            format!("--regid={gid}"),
            "--clear-groups".into(),
        ]
    }
}

impl Postgres {
    /// Starts one with an empty database.
    ///
    /// # Panics
    ///
    /// Where it does not become ready.
    pub async fn start() -> Self {
        let folder = Folder::new("postgres");
        let user = User::for_server();
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid), Some(user.gid)).expect("root may give it away");
        }
        let mut postgres = Self {
            server: None,
            folder,
            port: 0,
            user,
        };
        postgres.init();
        for _ in 0..TRIES {
            postgres.spawn();
            if postgres.is_ready().await {
                return postgres;
            }
        }
        panic!(
            "PostgreSQL does not start:\n{}",
            postgres.folder.log_tail(LOG)
        );
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Loses its disk, and starts with an empty one on the same port.
    ///
    /// # Panics
    ///
    /// Where it does not become ready.
    pub async fn lose_everything(&mut self) {
        self.stop_at_once();
        let data = self.folder.path().join("data");
        fs::remove_dir_all(data).expect("there was something");
        self.init();
        self.restart().await;
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its process id; 0 while it does not run.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.server.as_ref().map_or(0, Server::id)
    }

    /// PostgreSQL's immediate stop: what was not synced is lost, as with the power.
    pub fn stop_at_once(&mut self) {
        drop(self.server.take());
    }

    /// SIGKILL: what was committed must be there after [`Self::restart`].
    pub fn kill_hard(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill_hard();
        }
    }

    /// Starts it again on the same folder and port, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// Where it does not become ready.
    pub async fn restart(&mut self) {
        self.kill_hard();
        let port = self.port;
        // The backends of a killed server take a moment to notice, and hold its memory until then.
        let started = eventually(async || {
            self.spawn_on(port);
            self.is_ready().await
        });
        assert!(
            started.await,
            "PostgreSQL does not start:\n{}",
            self.folder.log_tail(LOG)
        );
    }

    fn setpriv(&self) -> Vec<String> {
        self.user.as_ref().map(User::setpriv).unwrap_or_default()
    }

    fn init(&self) {
        let mut command = Command::new("setpriv");
        command
            .args(self.setpriv())
            .arg("--")
            .arg(tools::postgres("initdb"));
        command.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        // Only the making of the empty database is not synced; what is committed later is.
        let output = command
            .args(["--no-sync", "-D"])
            .arg(self.folder.path().join("data"))
            .output();
        let output = output.expect("initdb starts");
        assert!(
            output.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn spawn(&mut self) {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|holder| holder.local_addr());
        self.spawn_on(free.expect("a free port").port());
    }

    fn spawn_on(&mut self, port: u16) {
        let folder = self.folder.path();
        let log = File::create(folder.join(LOG)).expect("a log file");
        // QUIT is PostgreSQL's immediate stop: unlike KILL it leaves no shared memory behind.
        self.server = Some(Server::start("QUIT", &self.setpriv(), |command| {
            command
                .arg(tools::postgres("postgres"))
                .arg("-D")
                .arg(folder.join("data"));
            command
                .arg("-p")
                .arg(port.to_string())
                .arg("-k")
                .arg(folder);
            command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=on"]);
            command
                .stdout(log.try_clone().expect("a log file"))
                .stderr(log);
        }));
        self.port = port;
    }

    /// Waits until it says that it is ready; `false` when it has ended instead.
    async fn is_ready(&mut self) -> bool {
        let status = self.folder.path().join("data/postmaster.pid");
        let mut ended = false;
        let in_time = eventually(async || {
            let Some(server) = &mut self.server else {
                return false;
            };
            ended = server.has_ended();
            let status = fs::read_to_string(&status).unwrap_or_default();
            let ours = status.lines().next() == Some(server.id().to_string().as_str());
            ended
                || (ours
                    && status
                        .lines()
                        .nth(7)
                        .is_some_and(|line| line.trim() == "ready"))
        })
        .await;
        assert!(
            in_time,
            "PostgreSQL is never ready:\n{}",
            self.folder.log_tail(LOG)
        );
        if ended {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        !ended
    }
}
