//! Desks that ask each other over a real NATS server.

use commands::clock::Clock;
use commands::desk::{Desk, serve};
use commands::origin::Origin;
use cqrs_es::AggregateError;
use domain::id::ContactId;
use domain::unique::{Reservations, ShardId, UniqueCommand, UniqueKind, Wanted};
use jiff::Timestamp;
use journal::nats::{NatsJournal, NatsOptions};
use journal::token::Token;
use journal::{Backend, Journal};
use stories::servers::NatsServer;
use uuid::Uuid;

/// How long each value is here, in bytes.
const VALUE: usize = 2_000;

fn reserve(attempt: u64, values: std::ops::Range<u32>) -> UniqueCommand {
    let wanted = |value| Wanted {
        value: format!("{value:0>VALUE$}"),
        idle: None,
    };
    UniqueCommand::Reserve {
        owner: ContactId(attempt),
        seen: 0,
        attempt: Uuid::from_u128(attempt.into()),
        at: Timestamp::UNIX_EPOCH,
        values: values.map(wanted).collect(),
    }
}

#[tokio::test]
async fn a_state_that_is_larger_than_a_message_is_answered_all_the_same() {
    let server = NatsServer::start().await;
    let connect = async || {
        let options = NatsOptions {
            monitor_url: Some(server.monitor_url()),
            ..NatsOptions::new(server.url())
        };
        NatsJournal::connect(options).await.unwrap()
    };
    let (here, there) = (connect().await, connect().await);
    let answering = Desk::local(Journal::from(Backend::Nats(there.clone())), Clock::System);
    let serving = tokio::spawn(serve(answering, there.client().clone()));
    let client = here.client().clone();
    let asking = Desk::remote(client, Journal::from(Backend::Nats(here)), Clock::System);
    let origin = Origin::new(Token::try_new("main").unwrap(), "test");
    let shard = ShardId::root(UniqueKind::Phone, 1);
    for attempt in 1..=3_u32 {
        let command = reserve(attempt.into(), (attempt - 1) * 300..attempt * 300);
        for _ in 0..2 {
            // The second time there is nothing to be done, and the state is as large.
            let sent = asking.send::<Reservations>(shard, command.clone(), &origin);
            let held = sent.await.unwrap().state.held.len();
            assert_eq!(held, 300 * usize::try_from(attempt).unwrap());
        }
    }
    let large = asking.send::<Reservations>(shard, reserve(9, 1_000..2_000), &origin);
    let error = large.await.unwrap_err();
    assert!(
        matches!(&error, AggregateError::UnexpectedError(reason) if reason.to_string().contains("too large")),
        "{error}"
    );
    serving.abort();
}
