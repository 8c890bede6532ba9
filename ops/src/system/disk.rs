//! Watches the disks that this process writes to: one that is nearly full or takes no writes is told
//! before a write fails.

use std::path::{Path, PathBuf};
use std::time::Duration;

use journal::health::{Health, Part, supervised};
use rustix::fs::{StatVfsMountFlags, statvfs};

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// With less room than this a disk counts as full: SQLite's WAL, a batch of a read model and a vacuum
/// of the vault must still find room.
const LEAST_ROOM: u64 = 32 * 1024 * 1024;

/// Looks at a folder's disk for as long as the process lives.
pub async fn watch(health: Health, folder: PathBuf) {
    supervised(health.part_of("disk", folder.display()), |part| {
        let folder = folder.clone();
        async move {
            loop {
                look(&part, &folder);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    })
    .await;
}

fn look(part: &Part, folder: &Path) {
    let fault = match statvfs(folder) {
        Ok(disk) => fault(
            disk.f_bavail.saturating_mul(disk.f_frsize),
            disk.f_flag.contains(StatVfsMountFlags::RDONLY),
        ),
        Err(error) => Some(format!("it cannot be looked at: {error}")),
    };
    match fault {
        Some(fault) => part.stands_still(fault),
        None => part.works(),
    }
}

fn fault(free: u64, read_only: bool) -> Option<String> {
    if read_only {
        return Some("the disk is mounted read-only".into());
    }
    let megabytes = free / (1024 * 1024);
    (free < LEAST_ROOM).then(|| format!("the disk has {megabytes} MB left; make room"))
}

#[cfg(test)]
mod tests {
    use super::{LEAST_ROOM, fault};

    #[test]
    fn a_disk_without_room_or_without_writes_is_a_fault() {
        assert_eq!(fault(LEAST_ROOM, false), None);
        assert!(fault(LEAST_ROOM - 1, false).is_some_and(|fault| fault.contains("31 MB")));
        assert!(fault(u64::MAX, true).is_some_and(|fault| fault.contains("read-only")));
    }
}
