//! Commands of the program, beside the processes.

use std::process::Output;

use serde_json::Value;

use super::Crm;
use crate::process;

impl Crm {
    /// The names of all policies.
    pub const POLICIES: [&str; 3] = ["transfer", "erasure", "automation"];

    /// Makes an API key.
    ///
    /// # Panics
    ///
    /// Where that fails.
    #[must_use]
    pub fn new_key(&self, workspace: &str, role: &str) -> String {
        let made = self.cli(&[
            "keys",
            "create",
            "story",
            "--role",
            role,
            "--workspace",
            workspace,
            "--json",
        ]);
        let error = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "no key was made: {error}");
        let made: Value = serde_json::from_slice(&made.stdout).expect("a key is JSON");
        made["key"].as_str().expect("a key").to_owned()
    }

    /// Runs a command of the program to its end, beside the processes.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> Output {
        process::run(self.folder.path(), &self.environment, arguments)
    }

    /// The same with these settings beside those of all.
    #[must_use]
    pub fn cli_with(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut environment = self.environment.clone();
        let set = settings.iter().copied();
        environment.extend(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
        process::run(self.folder.path(), &environment, arguments)
    }

    /// Sets a variable for every command and, from their next start on, for every process.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        for process in &mut self.processes {
            process.set(name, Some(value));
        }
    }

    /// Runs a command that must end well, and answers what it printed.
    ///
    /// # Panics
    ///
    /// Where it ends otherwise.
    #[expect(clippy::must_use_candidate, reason = "often all a story wants to know")]
    pub fn cli_good(&self, arguments: &[&str]) -> String {
        let done = self.cli(arguments);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "rapport {}: {error}",
            arguments.join(" ")
        );
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Lets every policy whose place is lost go on from here.
    pub fn policies_start_now(&self) {
        for policy in Self::POLICIES {
            self.cli_good(&["policies", "start", policy, "--from", "now"]);
        }
    }

    /// The master key of this installation.
    ///
    /// # Panics
    ///
    /// Where there is none.
    #[must_use]
    pub fn master_key(&self) -> String {
        let set = self
            .environment
            .iter()
            .find(|(name, _)| name == "RAPPORT_MASTER_KEY");
        let kept = || {
            std::fs::read_to_string(self.folder.path().join("data/master.key"))
                .expect("a master key")
        };
        set.map_or_else(kept, |(_, key)| key.clone())
    }
}
