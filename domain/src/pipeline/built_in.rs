//! The pipelines that every workspace has, until it changes them.

use super::table::{Kind, Outcome, Stage, Table, WonBy};
use super::{PipelineId, StageKey};

/// Leads that a team hands to sales: what a lead follows unless it is said.
pub const SALES_TEAM: PipelineId = PipelineId::literal("sales-team");
/// Leads that buy a program by themselves.
pub const PROGRAMS: PipelineId = PipelineId::literal("programs");
/// What a sale follows unless it is said.
pub const SALES: PipelineId = PipelineId::literal("sales");
/// All of them, in the order of lists.
pub const ALL: [PipelineId; 3] = [SALES_TEAM, PROGRAMS, SALES];

pub const NEW: StageKey = StageKey::literal("new");
pub const CONTACTED: StageKey = StageKey::literal("contacted");
pub const QUALIFIED: StageKey = StageKey::literal("qualified");
pub const TRANSFERRED: StageKey = StageKey::literal("transferred");
pub const LOST: StageKey = StageKey::literal("lost");
pub const FREE_PROGRAM: StageKey = StageKey::literal("free_program");
pub const DECIDING: StageKey = StageKey::literal("deciding");
pub const BOUGHT: StageKey = StageKey::literal("bought");
pub const KYC: StageKey = StageKey::literal("kyc");
pub const AGREEMENT: StageKey = StageKey::literal("agreement");
pub const PAID: StageKey = StageKey::literal("paid");

/// The pipeline as it is built in, where it is.
#[must_use]
pub fn table(key: PipelineId) -> Option<Table> {
    match key {
        SALES_TEAM => Some(sales_team()),
        PROGRAMS => Some(programs()),
        SALES => Some(sales()),
        _ => None,
    }
}

/// The table of the lead management.
#[must_use]
pub fn sales_team() -> Table {
    let stages = vec![
        stage(NEW, "New", Outcome::Open, &[CONTACTED, LOST]),
        stage(CONTACTED, "Contacted", Outcome::Open, &[QUALIFIED, LOST]),
        stage(QUALIFIED, "Qualified", Outcome::Open, &[TRANSFERRED, LOST]),
        stage(TRANSFERRED, "Transferred", Outcome::Won, &[]),
        stage(LOST, "Lost", Outcome::Lost, &[]),
    ];
    built_in(
        SALES_TEAM,
        Kind::Lead,
        "Sales team",
        WonBy::Transfer,
        stages,
    )
}

/// The funnel of the fitness programs.
#[must_use]
pub fn programs() -> Table {
    let stages = vec![
        stage(
            NEW,
            "New",
            Outcome::Open,
            &[FREE_PROGRAM, DECIDING, BOUGHT, LOST],
        ),
        stage(
            FREE_PROGRAM,
            "Got the free program",
            Outcome::Open,
            &[DECIDING, BOUGHT, LOST],
        ),
        stage(DECIDING, "Deciding", Outcome::Open, &[BOUGHT, LOST]),
        stage(BOUGHT, "Bought", Outcome::Won, &[]),
        stage(LOST, "Lost", Outcome::Lost, &[]),
    ];
    built_in(PROGRAMS, Kind::Lead, "Programs", WonBy::Step, stages)
}

/// The table of sales.
#[must_use]
pub fn sales() -> Table {
    let stages = vec![
        stage(NEW, "New", Outcome::Open, &[KYC, LOST]),
        stage(KYC, "KYC", Outcome::Open, &[AGREEMENT, LOST]),
        stage(AGREEMENT, "Agreement", Outcome::Open, &[PAID, LOST]),
        stage(PAID, "Paid", Outcome::Won, &[]),
        stage(LOST, "Lost", Outcome::Lost, &[]),
    ];
    built_in(SALES, Kind::Sale, "Sales", WonBy::Step, stages)
}

fn built_in(key: PipelineId, kind: Kind, name: &str, won_by: WonBy, stages: Vec<Stage>) -> Table {
    Table {
        key,
        kind,
        name: name.to_owned(),
        won_by,
        stages,
        retired: false,
    }
}

fn stage(key: StageKey, name: &str, outcome: Outcome, next: &[StageKey]) -> Stage {
    Stage {
        key,
        name: name.to_owned(),
        outcome,
        next: next.to_vec(),
        retired: false,
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, table};

    #[test]
    fn what_is_built_in_is_a_pipeline() {
        for key in ALL {
            let table = table(key).unwrap();
            assert_eq!((table.key, table.check()), (key, Ok(())));
        }
    }
}
