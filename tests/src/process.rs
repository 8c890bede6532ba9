//! One `rapport` process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::servers::child::Server;
use crate::servers::eventually;

/// What a process is told by its environment.
pub type Environment = Vec<(String, String)>;

/// The program, as cargo built it beside the tests.
///
/// # Panics
///
/// Where it was not built.
#[must_use]
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a program");
    // target/debug/deps/leads-1a2b or target/debug/chaos → target/debug/rapport
    let mut folders = test.ancestors().skip(1).take(2);
    let program =
        folders.find_map(|folder| Some(folder.join("rapport")).filter(|path| path.is_file()));
    program.expect("no rapport program beside the tests: run `cargo build -p ops` first")
}

/// Runs a command of the program to its end.
///
/// # Panics
///
/// Where it cannot be started.
#[must_use]
pub fn run(folder: &Path, environment: &Environment, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    prepare(&mut command, folder, environment);
    command.args(arguments).output().expect("rapport starts")
}

/// Nothing of the environment of whoever runs the tests may reach the program.
fn prepare(command: &mut Command, folder: &Path, environment: &Environment) {
    command.env_clear().current_dir(folder);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(environment.iter().map(|(name, value)| (name, value)));
}

/// A running `rapport serve` or `rapport demo`, killed on drop.
#[derive(Debug)]
pub struct Rapport {
    server: Option<Server>,
    folder: PathBuf,
    environment: Environment,
    arguments: Vec<String>,
    log: PathBuf,
    url: String,
    /// What `prlimit` lets it have, as `--fsize=1000`.
    limits: Vec<String>,
}

impl Rapport {
    /// Starts it in this folder, on a free port, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// Where it does not become ready.
    pub async fn start(
        name: &str,
        folder: &Path,
        environment: &Environment,
        arguments: &[&str],
    ) -> Self {
        let mut environment = environment.clone();
        environment.push(("APP_PORT".into(), "0".into()));
        environment.push(("LOG_FORMAT".into(), "json".into()));
        let mut rapport = Self {
            server: None,
            log: folder.join(format!("{name}.log")),
            folder: folder.to_owned(),
            environment,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            url: String::new(),
            limits: Vec::new(),
        };
        rapport.restart().await;
        rapport
    }

    /// From its next start on, no file of its may grow beyond this many bytes: its disk is full.
    pub fn limit_files(&mut self, limit: Option<u64>) {
        self.limit("--fsize", limit);
    }

    /// From its next start on, it may have this many files and connections open.
    pub fn limit_open_files(&mut self, limit: Option<u64>) {
        self.limit("--nofile", limit);
    }

    fn limit(&mut self, what: &str, limit: Option<u64>) {
        self.limits.retain(|known| !known.starts_with(what));
        self.limits
            .extend(limit.map(|limit| format!("{what}={limit}")));
    }

    /// Sets or removes a variable of its environment, from its next start on.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.environment.retain(|(known, _)| known != name);
        let set = value.map(|value| (name.to_owned(), value.to_owned()));
        self.environment.extend(set);
    }

    /// What a variable of its environment is set to.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        let mut set = self.environment.iter().rev();
        set.find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
    }

    /// Whether a variable of its environment is set by us.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.environment.iter().any(|(known, _)| known == name)
    }

    /// Starts it again, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// Where it does not become ready.
    pub async fn restart(&mut self) {
        let ready = self.restarts().await;
        assert!(ready, "rapport is not ready:\n{}", self.said());
    }

    /// Starts it again, and waits until it is ready or has ended by itself; tells whether it is
    /// ready.
    pub async fn restarts(&mut self) -> bool {
        self.spawn();
        let (client, mut ended) = (reqwest::Client::new(), false);
        let ready = eventually(async || {
            ended = self.has_ended();
            let Some(url) = self.heard() else {
                return ended;
            };
            self.url = url;
            let answer = client.get(format!("{}/ready", self.url)).send().await;
            ended || answer.is_ok_and(|answer| answer.status().is_success())
        });
        ready.await && !ended
    }

    /// Starts it again, and waits until it listens, which it does before it is ready.
    ///
    /// # Panics
    ///
    /// Where it does not listen.
    pub async fn starts(&mut self) {
        self.spawn();
        let listens = eventually(async || {
            self.url = self.heard().unwrap_or_default();
            !self.url.is_empty()
        });
        assert!(listens.await, "rapport does not listen:\n{}", self.said());
    }

    fn spawn(&mut self) {
        self.kill_hard();
        let log = File::create(&self.log).expect("a log can be written");
        let limits = self.limits.clone();
        let (folder, environment, arguments) = (
            self.folder.clone(),
            self.environment.clone(),
            self.arguments.clone(),
        );
        self.server = Some(Server::start("KILL", &[], move |command| {
            // Cleared first: `setpriv` is named by its path by then.
            prepare(command, &folder, &environment);
            if !limits.is_empty() {
                // Ignored, the signal becomes the error that a full disk is, for the program too.
                let script = r#"trap '' XFSZ; exec prlimit $0 -- "$@""#;
                command.args(["sh", "-c", script, &limits.join(" ")]);
            }
            command
                .arg(program())
                .args(arguments)
                .stdout(std::process::Stdio::null())
                .stderr(log);
        }));
    }

    /// Where it says that it listens.
    fn heard(&self) -> Option<String> {
        let said = self.said();
        let lines = said
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut addresses =
            lines.filter_map(|line| line["fields"]["address"].as_str().map(ToOwned::to_owned));
        addresses.next().map(|address| format!("http://{address}"))
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id; 0 while it does not run.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.server.as_ref().map_or(0, Server::id)
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.server.as_mut().is_none_or(Server::has_ended)
    }

    /// What it has logged since it was started last.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL, at any moment.
    pub fn kill_hard(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill_hard();
        }
    }

    /// SIGTERM; answers whether it ended well.
    pub fn stop(&mut self) -> bool {
        self.server
            .take()
            .is_some_and(|mut server| server.ask_to_stop())
    }
}
