//! What can happen.

use super::{Profile, ROLES};

/// A link that a proxy stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Link {
    Nats,
    Postgres,
}

/// A fault. What lasts is undone after a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// `kill -9` of a rapport process.
    Kill(usize),
    /// SIGSTOP of one, then SIGCONT.
    Freeze(usize),
    /// `kill -9` of NATS.
    KillNats,
    FreezeNats,
    /// PostgreSQL's immediate stop.
    StopPostgres,
    FreezePostgres,
    /// Every connection is cut.
    Cut(Link),
    /// Everything is late.
    Slow(Link),
    /// Nothing comes through.
    Silence(Link),
    /// Questions come through, answers do not.
    Deafen(Link),
}

impl Fault {
    /// Every fault of a profile.
    pub(super) fn all(profile: Profile) -> Vec<Self> {
        let processes = match profile {
            Profile::Embedded => 0..1,
            Profile::Cluster => 0..ROLES.len(),
        };
        let mut faults: Vec<_> = processes
            .flat_map(|process| [Self::Kill(process), Self::Freeze(process)])
            .collect();
        if profile == Profile::Cluster {
            faults.extend([
                Self::KillNats,
                Self::FreezeNats,
                Self::StopPostgres,
                Self::FreezePostgres,
            ]);
            faults.extend([Link::Nats, Link::Postgres].into_iter().flat_map(|link| {
                [
                    Self::Cut(link),
                    Self::Slow(link),
                    Self::Silence(link),
                    Self::Deafen(link),
                ]
            }));
        }
        faults
    }

    /// Its kind, for the table.
    pub(super) fn kind(self) -> String {
        match self {
            Self::Kill(_) => "rapport: kill -9".into(),
            Self::Freeze(_) => "rapport: stopped for a while".into(),
            Self::KillNats => "NATS: kill -9".into(),
            Self::FreezeNats => "NATS: stopped for a while".into(),
            Self::StopPostgres => "PostgreSQL: immediate stop".into(),
            Self::FreezePostgres => "PostgreSQL: stopped for a while".into(),
            Self::Cut(link) => format!("network to {link:?}: connections cut"),
            Self::Slow(link) => format!("network to {link:?}: slow"),
            Self::Silence(link) => format!("network to {link:?}: nothing passes"),
            Self::Deafen(link) => format!("network to {link:?}: answers swallowed"),
        }
    }
}
