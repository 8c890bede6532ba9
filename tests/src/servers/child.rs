//! A process that dies with ours, even when ours is killed.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// The one thread that starts children, and never ends: the kernel sends the death signal when
/// the *thread* that started a child ends, and a runtime's threads end early.
static STARTER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (orders, incoming) = mpsc::channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in incoming {
            // Nobody waits for the answer only if the test thread has panicked.
            let _ = answer.send(command.spawn());
        }
    });
    orders
});

/// A running server, killed on drop.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    stop: &'static str,
}

impl Server {
    /// Starts `program` through `setpriv`, which sends it `stop` when our process dies.
    pub(crate) fn start(
        stop: &'static str,
        setpriv: &[String],
        configure: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new("setpriv");
        // A change of user clears the death signal, so it is set by a second setpriv inside.
        if !setpriv.is_empty() {
            command.args(setpriv).arg("setpriv");
        }
        command
            .args(["--pdeathsig", stop, "--"])
            .stdin(Stdio::null());
        configure(&mut command);
        let (answer, started) = mpsc::channel();
        STARTER
            .send((command, answer))
            .expect("the starter never ends");
        let child = started
            .recv()
            .expect("the starter answers")
            .expect("setpriv starts (Debian: package util-linux)");
        Self { child, stop }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, as an operator or a container stops it; waits until it has ended, and answers
    /// whether it ended well.
    pub(crate) fn ask_to_stop(&mut self) -> bool {
        let sent = Command::new("kill")
            .args(["-TERM", &self.id().to_string()])
            .status();
        sent.is_ok_and(|status| status.success())
            && self.child.wait().is_ok_and(|status| status.success())
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill_hard(&mut self) {
        // It may have ended before; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stop != "KILL" && !self.has_ended() {
            let signal = format!("-{}", self.stop);
            let sent = Command::new("kill")
                .args([&signal, &self.id().to_string()])
                .status();
            if sent.is_ok_and(|status| status.success()) {
                let _ = self.child.wait();
            }
        }
        self.kill_hard();
    }
}
