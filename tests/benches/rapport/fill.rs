//! A log of many leads, as fast as it takes them.

use std::ops::RangeInclusive;

use commands::clock::{Clock, fresh_id};
use domain::event::Stored;
use domain::lead::event::LeadEvent;
use domain::lead::source::LeadSource;
use domain::pipeline::StageKey;
use domain::pipeline::built_in;
use futures::StreamExt as _;
use journal::Journal;
use journal::envelope::{Commit, Sealed};
use journal::token::Token;

/// Appends under way.
const UNDER_WAY: usize = 1024;

/// A lead comes in.
pub const fn opened() -> LeadEvent {
    LeadEvent::Opened {
        source: LeadSource::Partner,
        business_domain: None,
        contact: None,
        pipeline: built_in::SALES_TEAM,
        stage: built_in::NEW,
    }
}

/// A lead goes on.
pub fn moved(from: StageKey, to: StageKey) -> LeadEvent {
    LeadEvent::StageChanged {
        from,
        to,
        outcome: domain::pipeline::built_in::sales_team().outcome(to),
        reason: None,
    }
}

/// Appends the story of each of these leads: the events of one commit after the other.
pub async fn fill<'a>(
    journal: &Journal,
    leads: RangeInclusive<u64>,
    story: impl Fn(u64) -> &'a [Vec<LeadEvent>],
) {
    futures::stream::iter(leads)
        .for_each_concurrent(UNDER_WAY, |lead| {
            let (journal, story) = (journal.clone(), story(lead));
            async move {
                let (mut last, mut hash, mut version) = (0, None, 1);
                for events in story {
                    let sealed = Sealed::try_new(&Commit {
                        prev_hash: hash,
                        ..commit(workspace(), "lead", &lead.to_string(), events, version)
                    })
                    .expect("a commit");
                    hash = Some(sealed.hash);
                    version += events.len() as u64;
                    let appended = journal.append(sealed, last).await;
                    last = appended.expect("appended").sequence;
                }
            }
        })
        .await;
}

fn workspace() -> Token {
    Token::try_new("main").expect("a token")
}

/// A commit of these events, as the first of its stream.
pub fn commit<E: Stored>(
    workspace: Token,
    category: &str,
    id: &str,
    events: &[E],
    version: u64,
) -> Commit {
    let token = |text: &str| Token::try_new(text).expect("a token");
    let events = events.iter().map(schemas::codec::encode);
    Commit {
        commit_id: fresh_id(),
        workspace,
        category: token(category),
        id: token(id),
        first_version: version,
        events: events.collect::<Result<_, _>>().expect("JSON"),
        actor: "bench".into(),
        command: "fill".into(),
        correlation: fresh_id(),
        causation: None,
        undoes: None,
        traceparent: None,
        at: Clock::System.now(),
        prev_hash: None,
        keys: Vec::new(),
        asked: None,
    }
}
