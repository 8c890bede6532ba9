//! Commits for tests of this crate.

use jiff::Timestamp;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::Journal;
use crate::envelope::{Commit, Sealed};
use crate::token::Token;

/// Something happens to a lead of its own.
pub(crate) async fn happen(journal: &Journal, number: u64, at: Timestamp) {
    let token = |text: &str| Token::try_new(text).unwrap();
    let commit = Commit {
        commit_id: Uuid::from_u128(number.into()),
        workspace: token("main"),
        category: token("lead"),
        id: token(&number.to_string()),
        first_version: 1,
        events: vec![RawValue::from_string("{}".into()).unwrap()],
        actor: "test".into(),
        command: "test".into(),
        correlation: Uuid::nil(),
        causation: None,
        undoes: None,
        traceparent: None,
        at,
        prev_hash: None,
        keys: Vec::new(),
        asked: None,
    };
    let sealed = Sealed::try_new(&commit).unwrap();
    journal.append(sealed, 0).await.unwrap();
}
