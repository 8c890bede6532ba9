//! NATS servers with JetStream: every write synced, as in production.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::child::Server;
use super::folder::Folder;
use super::{eventually, signal, tools};

const LOG: &str = "nats.log";
/// How often a start on ports that someone else took meanwhile is repeated.
const TRIES: usize = 20;

/// One NATS node.
#[derive(Debug)]
pub struct NatsServer {
    // Dropped in this order: first the process, then its folder.
    server: Option<Server>,
    folder: Folder,
    settings: Settings,
}

#[derive(Debug, Clone)]
struct Settings {
    name: String,
    /// `None` until the server has chosen.
    client: Option<u16>,
    monitor: Option<u16>,
    cluster: Option<Member>,
    sync: &'static str,
    /// Lines of the configuration that say who may connect.
    access: String,
}

#[derive(Debug, Clone)]
struct Member {
    port: u16,
    routes: Vec<u16>,
}

impl NatsServer {
    /// Starts one; every write is synced before it is acknowledged.
    pub async fn start() -> Self {
        Self::start_with("always").await
    }

    /// Starts one that syncs every two minutes, as NATS does unless told otherwise.
    pub async fn start_lazy() -> Self {
        Self::start_with("2m").await
    }

    /// Starts one that wants the user `rapport` with the password `se:cret`.
    pub async fn start_guarded() -> Self {
        Self::start_for("authorization { user: rapport, password: \"se:cret\" }\n").await
    }

    /// Starts one with these lines in its configuration that say who may connect.
    pub async fn start_for(access: &str) -> Self {
        let mut node = Self::start().await;
        access.clone_into(&mut node.settings.access);
        node.kill_hard();
        node.restart().await;
        node
    }

    /// Starts one with the accounts and users of `ops/deploy/nats.conf`; every password is the user's name.
    ///
    /// # Panics
    ///
    /// Where that file is not there.
    pub async fn start_deployed() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/deploy/nats.conf");
        let conf = fs::read_to_string(path).expect("the deployed settings");
        let (_, access) = conf.split_once("# Subjects of Rapport:").expect("accounts");
        let mut access = format!("#{access}");
        for user in [
            "commands",
            "api",
            "projections",
            "gateway_ai",
            "gateway_webhooks",
            "reader",
            "sys",
        ] {
            let password = format!("$NATS_{}_PASSWORD", user.to_uppercase());
            assert!(access.contains(&password), "{password}");
            access = access.replace(&password, user);
        }
        Self::start_for(&access).await
    }

    /// Where a client connects as this user, whose password is its name.
    #[must_use]
    pub fn url_as(&self, user: &str) -> String {
        self.url()
            .replace("nats://", &format!("nats://{user}:{user}@"))
    }

    async fn start_with(sync: &'static str) -> Self {
        let name = "single".to_owned();
        let settings = Settings {
            name,
            client: None,
            monitor: None,
            cluster: None,
            sync,
            access: String::new(),
        };
        let mut node = Self {
            server: None,
            folder: Folder::new("nats"),
            settings,
        };
        node.restart().await;
        node
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "nats://127.0.0.1:{}",
            self.settings.client.unwrap_or_default()
        )
    }

    /// Its port for clients.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.settings.client.unwrap_or_default()
    }

    /// Its process id; 0 while it does not run.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.server.as_ref().map_or(0, Server::id)
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Its monitoring endpoint.
    #[must_use]
    pub fn monitor_url(&self) -> String {
        format!(
            "http://127.0.0.1:{}",
            self.settings.monitor.unwrap_or_default()
        )
    }

    /// SIGKILL: what was acknowledged must be there after [`Self::restart`].
    pub fn kill_hard(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill_hard();
        }
    }

    /// SIGTERM, and waits until it has ended: it hands over what it leads.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.ask_to_stop();
        }
    }

    /// SIGSTOP: its connections stay, and nothing comes over them.
    pub fn freeze(&self) {
        signal::send("STOP", self.id());
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        signal::send("CONT", self.id());
    }

    /// Starts it again with nothing of what it kept, as after the loss of its disk.
    ///
    /// # Panics
    ///
    /// Where it does not become ready.
    pub async fn lose_everything(&mut self) {
        self.kill_hard();
        std::fs::remove_dir_all(self.folder.path().join("js")).expect("there was something");
        self.restart().await;
    }

    /// Starts it again on the same folder and ports, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// Where it does not become ready.
    pub async fn restart(&mut self) {
        self.kill_hard();
        for _ in 0..TRIES {
            self.spawn();
            if self.is_ready().await {
                return;
            }
            // Its port may have been taken while it was down; that passes.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nats-server does not start:\n{}", self.folder.log_tail(LOG));
    }

    fn spawn(&mut self) {
        let config = self.folder.path().join("nats.conf");
        fs::write(&config, self.config()).expect("the settings can be written");
        self.server = Some(Server::start("KILL", &[], |command| {
            command.arg(tools::nats_server()).arg("-c").arg(&config);
        }));
    }

    fn config(&self) -> String {
        let Settings {
            name,
            client,
            monitor,
            cluster,
            sync,
            access,
        } = &self.settings;
        let port = |port: &Option<u16>| port.map_or(-1, i32::from);
        let (client, monitor) = (port(client), port(monitor));
        let folder = self.folder.path().display();
        let cluster = cluster
            .as_ref()
            .map_or_else(String::new, |Member { port, routes }| {
                let routes: Vec<_> = routes
                    .iter()
                    .map(|r| format!("nats://127.0.0.1:{r}"))
                    .collect();
                format!(
                    "ping_interval: \"2s\"\nping_max: 2\n\
                     cluster {{ name: test, listen: \"127.0.0.1:{port}\", routes: {routes:?}, \
                     ping_interval: \"1s\", ping_max: 2 }}\n"
                )
            });
        format!(
            "server_name: {name}\n\
             listen: \"127.0.0.1:{client}\"\n\
             http: \"127.0.0.1:{monitor}\"\n\
             ports_file_dir: \"{folder}\"\n\
             log_file: \"{folder}/{LOG}\"\n\
             jetstream {{ store_dir: \"{folder}/js\", sync_interval: \"{sync}\" }}\n\
             {access}{cluster}"
        )
    }

    /// Waits until it answers; `false` when it has ended instead.
    async fn is_ready(&mut self) -> bool {
        let mut ended = false;
        let in_time = eventually(async || {
            ended = self.has_ended();
            ended || self.answers().await
        })
        .await;
        assert!(
            in_time,
            "nats-server is never ready:\n{}",
            self.folder.log_tail(LOG)
        );
        !ended
    }

    fn has_ended(&mut self) -> bool {
        self.server.as_mut().is_none_or(Server::has_ended)
    }

    async fn answers(&mut self) -> bool {
        self.learn_ports() && self.monitor("healthz").await["status"] == "ok"
    }

    /// Reads the ports from the file that *this* process wrote, so that a stranger on one of
    /// them is never taken for it.
    fn learn_ports(&mut self) -> bool {
        let Some(server) = &self.server else {
            return false;
        };
        let name = tools::nats_server();
        let name = name.file_name().unwrap_or_default().to_string_lossy();
        let file = self
            .folder
            .path()
            .join(format!("{name}_{}.ports", server.id()));
        let ports = fs::read(file)
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok());
        let Some(ports): Option<Value> = ports else {
            return false;
        };
        let port = |kind: &str| ports[kind][0].as_str()?.rsplit(':').next()?.parse().ok();
        self.settings.client = port("nats");
        self.settings.monitor = port("monitoring");
        self.settings.client.is_some() && self.settings.monitor.is_some()
    }

    /// What its monitoring endpoint says; null where it does not answer.
    async fn monitor(&self, path: &str) -> Value {
        let Some(port) = self.settings.monitor else {
            return Value::Null;
        };
        let answer = async {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
            let request = format!("GET /{path} HTTP/1.0\r\n\r\n");
            socket.write_all(request.as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).await.ok()?;
            let body = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
            serde_json::from_slice(&answer[body..]).ok()
        };
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await;
        answer.ok().flatten().unwrap_or_default()
    }
}

/// Several NATS nodes that share one JetStream.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<NatsServer>,
}

impl NatsCluster {
    /// Starts this many nodes and waits until they have agreed on a leader.
    ///
    /// # Panics
    ///
    /// Where they do not.
    pub async fn start(size: usize) -> Self {
        for _ in 0..TRIES {
            let mut cluster = Self::chosen(size);
            if cluster.is_ready().await {
                cluster.agreed().await;
                return cluster;
            }
        }
        panic!("no {size} ports stay free");
    }

    /// Nodes that do not run yet. They must know each other's ports before they start, and each of
    /// those may be taken until then, by the other side of a connection too: then others are chosen.
    fn chosen(size: usize) -> Self {
        let holders: Vec<_> = (0..size)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
            .collect();
        let routes: Vec<_> = holders
            .iter()
            .map(|holder| holder.local_addr().expect("a bound port").port())
            .collect();
        drop(holders);
        let nodes = routes
            .iter()
            .enumerate()
            .map(|(n, port)| NatsServer {
                server: None,
                folder: Folder::new("nats-cluster"),
                settings: Settings {
                    name: format!("node-{n}"),
                    client: None,
                    monitor: None,
                    cluster: Some(Member {
                        port: *port,
                        routes: routes.clone(),
                    }),
                    sync: "always",
                    access: String::new(),
                },
            })
            .collect();
        Self { nodes }
    }

    /// Starts every node; `false` where one could not have its port: the others might wait for it for ever.
    async fn is_ready(&mut self) -> bool {
        for node in &mut self.nodes {
            node.spawn();
        }
        let mut ended = false;
        let in_time = eventually(async || {
            ended = self.nodes.iter_mut().any(NatsServer::has_ended);
            for node in &mut self.nodes {
                if !ended && !node.answers().await {
                    return false;
                }
            }
            true
        })
        .await;
        let logs = self.nodes.iter().map(|node| node.folder.log_tail(LOG));
        let logs = logs.collect::<Vec<_>>().join("\n");
        assert!(in_time, "a cluster is never ready:\n{logs}");
        !ended
    }

    /// Where clients connect: every node, separated by commas.
    #[must_use]
    pub fn url(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(NatsServer::url).collect();
        urls.join(",")
    }

    /// The monitoring endpoint of every node, separated by commas.
    #[must_use]
    pub fn monitor_url(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(NatsServer::monitor_url).collect();
        urls.join(",")
    }

    /// The nodes, to kill and to restart.
    pub fn nodes(&mut self) -> &mut [NatsServer] {
        &mut self.nodes
    }

    /// Waits until all nodes that run are healthy members under one leader.
    ///
    /// # Panics
    ///
    /// Where that takes too long.
    pub async fn agreed(&self) {
        let agreed = eventually(async || {
            for node in self.nodes.iter().filter(|node| node.server.is_some()) {
                let meta = node.monitor("jsz").await["meta_cluster"].clone();
                let leader = meta["leader"]
                    .as_str()
                    .is_some_and(|leader| !leader.is_empty());
                let whole = meta["cluster_size"].as_u64() == Some(self.nodes.len() as u64);
                if !leader || !whole || node.monitor("healthz").await["status"] != "ok" {
                    return false;
                }
            }
            true
        });
        assert!(agreed.await, "the NATS cluster finds no leader");
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::NatsCluster;

    #[tokio::test]
    async fn a_cluster_is_not_waited_for_where_a_stranger_has_one_of_its_ports() {
        let mut cluster = NatsCluster::chosen(3);
        let port = cluster.nodes[1].settings.cluster.as_ref().unwrap().port;
        let _stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
        assert!(!cluster.is_ready().await);
    }
}
