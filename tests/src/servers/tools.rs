//! Where the programs are that tests start beside Rapport.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The NATS server: `NATS_SERVER`, PATH, or what `ops/test` installed.
pub(super) fn nats_server() -> PathBuf {
    let named = env::var_os("NATS_SERVER").map(PathBuf::from);
    named.unwrap_or_else(|| program("nats-server"))
}

/// Prometheus's tool that tests rules: PATH, or what `ops/test` installed.
///
/// # Panics
///
/// Where there is none.
#[must_use]
pub fn promtool() -> PathBuf {
    program("promtool")
}

/// On PATH, or where `ops/test` puts programs that are not Debian's.
fn program(name: &str) -> PathBuf {
    let ours = || Some(installed(&format!("bin/{name}"))).filter(|path| path.is_file());
    on_path(name)
        .or_else(ours)
        .unwrap_or_else(|| panic!("no {name} found: run ops/test once, it installs {name}"))
}

/// A file or folder of what `ops/test` installed, as `python/bin/python`, whether it is there or not.
#[must_use]
pub fn installed(path: &str) -> PathBuf {
    let named = env::var_os("RAPPORT_TOOLS").map(PathBuf::from);
    let usual = || {
        let home = env::var_os("HOME").unwrap_or_default();
        Path::new(&home).join(".cache/rapport-tools")
    };
    named.unwrap_or_else(usual).join(path)
}

/// The Python that has what `tests/python/requirements.txt` names.
///
/// # Panics
///
/// Where `ops/test` has not installed it yet.
#[must_use]
pub fn python() -> PathBuf {
    let python = installed("python/bin/python");
    assert!(
        python.is_file(),
        "no {} found: run ops/test once, it installs what tests/python/requirements.txt names",
        python.display()
    );
    python
}

/// One of PostgreSQL's programs: PATH, or the newest that Debian installed.
pub(super) fn postgres(program: &str) -> PathBuf {
    let debian = || {
        let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
            .ok()?
            .flatten()
            .collect();
        versions.sort_by_key(|version| {
            version
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
        });
        let newest_first = versions.iter().rev();
        newest_first
            .map(|v| v.path().join("bin").join(program))
            .find(|path| path.is_file())
    };
    on_path(program).or_else(debian).unwrap_or_else(|| {
        panic!("no PostgreSQL ({program}) found: run ops/test once, it installs postgresql")
    })
}

fn on_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
