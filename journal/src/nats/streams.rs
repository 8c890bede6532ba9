//! The streams that hold the log: names, settings, and what tells this log from another.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType,
};
use serde::Deserialize;

use super::options::NatsOptions;
use super::patience::patiently;
use super::server::Refusal;
use super::signing::{Signers, SigningKey, Trusted};
use crate::JournalError;
use crate::claim::{self, ClaimKey};
use crate::token::{StreamId, Token};

/// How long the server may take to find, make or change a stream; several nodes must agree on it.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);
const IDENTITY: &str = "rapport-identity";
const PARTITIONS: &str = "rapport-partitions";
/// When compression was turned off. A node that has run since before goes on compressing.
pub(super) const UNCOMPRESSED_SINCE: &str = "rapport-uncompressed-since";

/// Names of streams and subjects.
#[derive(Debug)]
pub(super) struct Names {
    streams: String,
    subjects: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Result<Self, Refusal> {
        let prefix = Token::try_new(prefix).map_err(|error| Refusal::Setting(error.to_string()))?;
        Ok(Self {
            subjects: prefix.as_str().to_lowercase(),
            streams: prefix.into(),
        })
    }

    /// The subject of an aggregate's commits.
    pub(super) fn event(&self, partition: u16, stream: &StreamId) -> String {
        format!("{}.ev.{partition}.{stream}", self.subjects)
    }

    /// The aggregate whose commits have this subject.
    pub(super) fn stream(&self, partition: u16, subject: &str) -> Option<StreamId> {
        let rest = subject.strip_prefix(&self.subjects)?.strip_prefix(".ev.")?;
        let (found, stream) = rest.split_once('.')?;
        if found != partition.to_string() {
            return None;
        }
        stream.parse().ok()
    }

    /// The subject of an aggregate's snapshot.
    pub(super) fn snapshot(&self, stream: &StreamId) -> String {
        format!("{}.snap.{stream}", self.subjects)
    }

    /// The subject of a claim.
    pub(super) fn claim(&self, key: &ClaimKey) -> String {
        format!("{}.claim.{}.{}", self.subjects, key.workspace, key.key)
    }

    /// The subject of a cursor.
    pub(super) fn cursor(&self, name: &Token) -> String {
        format!("{}.cursor.{name}", self.subjects)
    }

    /// Under which an account that holds no streams reaches those of the account that does.
    pub(super) fn api(&self) -> String {
        format!("{}.js", self.subjects)
    }

    pub(super) fn events_stream(&self, partition: u16) -> String {
        format!("{}_EVENTS_{partition}", self.streams)
    }
}

/// The streams of a log, each with its number of replicas.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) identity: String,
    /// Whom readers of each partition trust.
    pub(super) trusted: Vec<Trusted>,
    pub(super) events: Vec<(String, usize)>,
    pub(super) snapshots: (String, usize),
    pub(super) claims: (String, usize),
    pub(super) cursors: (String, usize),
}

impl Opened {
    /// What checks the messages of each partition.
    pub(super) fn signers(&self) -> Vec<Signers> {
        let signers = |trusted: &Trusted| Signers::new(&self.identity, trusted.clone());
        self.trusted.iter().map(signers).collect()
    }

    /// Finds the log's streams, and makes those that are missing.
    pub(super) async fn open(
        context: &Context,
        names: &Names,
        options: &NatsOptions,
    ) -> Result<Self, JournalError> {
        if options.partitions == 0 {
            return Err(Refusal::Setting("a log has at least one partition".into()).into());
        }
        // Two processes may make a new log at once: whoever makes the first stream names the log.
        let mut maker = Maker {
            context,
            options,
            identity: options
                .identity
                .clone()
                .unwrap_or_else(|| format!("nats-{}", super::fresh_id())),
        };
        let first = maker.open(&maker.events(names, 0)).await?;
        let found = first.metadata.get(PARTITIONS).cloned().unwrap_or_default();
        if found != options.partitions.to_string() {
            return Err(Refusal::Partitions {
                found,
                asked: options.partitions,
            }
            .into());
        }
        maker.identity = first.metadata.get(IDENTITY).cloned().unwrap_or_default();
        let mut events = vec![(first.name, first.num_replicas)];
        for partition in 1..options.partitions {
            events.push(maker.open_same(&maker.events(names, partition)).await?);
        }
        let mut trusted = Vec::new();
        for (stream, _) in &events {
            trusted.push(maker.trusted(stream).await?);
        }
        let snapshots = maker.open_same(&maker.snapshots(names)).await?;
        let claims = maker.open_same(&maker.claims(names)).await?;
        let cursors = maker.open_same(&maker.cursors(names)).await?;
        Ok(Self {
            identity: maker.identity,
            trusted,
            events,
            snapshots,
            claims,
            cursors,
        })
    }
}

struct Maker<'a> {
    context: &'a Context,
    options: &'a NatsOptions,
    identity: String,
}

impl Maker<'_> {
    /// The stream as it is: found, or made with these settings.
    async fn open(&self, wanted: &Config) -> Result<Config, JournalError> {
        let open = patiently(|| async {
            match self.find(&wanted.name).await? {
                Some((found, last)) => self.renamed(found, last).await.map(Some),
                None if self.options.make => self.make(wanted).await.map(Some),
                None => Ok(None),
            }
        });
        let missing = || Refusal::NoLog {
            stream: wanted.name.clone(),
        };
        let found = open.await?.ok_or_else(missing)?;
        check(wanted, &found)?;
        if found.compression == Some(Compression::S2) {
            return Ok(self.uncompress(found).await);
        }
        Ok(found)
    }

    /// Turns off compression, which a killed node does not survive (ADR 21). What the stream holds
    /// stays as it is, and nothing is answered otherwise meanwhile; whoever may not change a stream
    /// leaves it to who may.
    async fn uncompress(&self, found: Config) -> Config {
        if !self.options.change_streams {
            tracing::warn!(stream = found.name, "the stream is compressed");
            return found;
        }
        let changed = async {
            let since = self.server_time(&found.name).await?;
            let mut wanted = found.clone();
            wanted.compression = Some(Compression::None);
            wanted.metadata.insert(UNCOMPRESSED_SINCE.to_owned(), since);
            let changed = self.context.update_stream(&wanted).await;
            changed
                .map(|changed| changed.config)
                .map_err(JournalError::unavailable)
        };
        match changed.await {
            Ok(changed) => {
                tracing::warn!(
                    stream = changed.name,
                    "the stream is not compressed any more, once each NATS node has been restarted"
                );
                changed
            }
            Err(error) => {
                tracing::warn!(
                    stream = found.name,
                    %error,
                    "the stream is compressed, and this process may not change that: its NATS user \
                     needs $JS.API.STREAM.UPDATE.*"
                );
                found
            }
        }
    }

    /// The moment, by the clock of the stream's leader.
    async fn server_time(&self, stream: &str) -> Result<String, JournalError> {
        #[derive(Deserialize)]
        struct Told {
            ts: String,
        }
        let subject = format!("STREAM.INFO.{stream}");
        let told: Result<Told, _> = self.context.request(subject, &()).await;
        told.map(|told| told.ts).map_err(JournalError::unavailable)
    }

    /// Whom readers of this stream trust; us too from now on, where we sign.
    async fn trusted(&self, stream: &str) -> Result<Trusted, JournalError> {
        patiently(|| async {
            let found = self.context.get_stream(stream).await;
            let found = found.map_err(JournalError::unavailable)?;
            let info = found.cached_info();
            let trusted = Trusted::of(&info.config.metadata);
            let Some(key) = self.options.signing_key.as_ref().map(SigningKey::public) else {
                return Ok(trusted);
            };
            if trusted.trusts(key) {
                return Ok(trusted);
            }
            let mut wanted = info.config.clone();
            let signed = trusted.with(key, info.state.last_sequence);
            wanted.metadata.extend(signed.metadata());
            let updated = self.context.update_stream(&wanted).await;
            updated.map_err(JournalError::unavailable)?;
            tracing::warn!(
                stream,
                after = info.state.last_sequence,
                "commits are signed by a new key from here on"
            );
            // Another process may have written at the same moment: what stands there is read again.
            Err(JournalError::unavailable(
                "whom to trust has just been written",
            ))
        })
        .await
    }

    /// The stream with the identity of the log that is restored into it, where it holds no commit yet:
    /// a process may have made it by being started again.
    async fn renamed(&self, found: Config, last: u64) -> Result<Config, JournalError> {
        let Some(wanted) = &self.options.identity else {
            return Ok(found);
        };
        let named = found.metadata.get(IDENTITY);
        let keeps = found.deny_purge && last > 0;
        if keeps || named.is_none_or(|named| named == wanted) {
            return Ok(found);
        }
        let mut renamed = found;
        renamed.metadata.insert(IDENTITY.to_owned(), wanted.clone());
        let updated = self.context.update_stream(&renamed).await;
        updated.map(|info| info.config).map_err(|error| {
            JournalError::unavailable(format!(
                "the stream {} is empty and has the identity of another log, which this user of NATS may not \
                 change ({error}): remove it as an administrator",
                renamed.name
            ))
        })
    }

    /// The stream and its last sequence.
    async fn find(&self, name: &str) -> Result<Option<(Config, u64)>, JournalError> {
        match self.context.get_stream(name).await {
            Ok(stream) => {
                let info = stream.cached_info();
                Ok(Some((info.config.clone(), info.state.last_sequence)))
            }
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(None)
                }
                GetStreamErrorKind::EmptyName
                | GetStreamErrorKind::Request
                | GetStreamErrorKind::InvalidStreamName
                | GetStreamErrorKind::JetStream(_) => Err(JournalError::unavailable(error)),
            },
        }
    }

    /// Fails where another process was faster; then it is found.
    async fn make(&self, wanted: &Config) -> Result<Config, JournalError> {
        let made = self
            .context
            .create_stream(wanted)
            .await
            .map_err(JournalError::unavailable)?;
        Ok(made.cached_info().config.clone())
    }

    /// [`Self::open`], where the stream must be of the log that the first stream named.
    async fn open_same(&self, wanted: &Config) -> Result<(String, usize), JournalError> {
        let found = self.open(wanted).await?;
        if found.metadata.get(IDENTITY) != Some(&self.identity) {
            let reason = "it belongs to another log".into();
            return Err(Refusal::Stream {
                stream: found.name,
                reason,
            }
            .into());
        }
        Ok((found.name, found.num_replicas))
    }

    fn events(&self, names: &Names, partition: u16) -> Config {
        Config {
            name: names.events_stream(partition),
            subjects: vec![format!("{}.ev.{partition}.>", names.subjects)],
            discard: DiscardPolicy::New,
            deny_delete: true,
            deny_purge: true,
            ..self.any()
        }
    }

    fn snapshots(&self, names: &Names) -> Config {
        // A snapshot may be lost, so it need not be synced; the server has this for one replica.
        let lazy = self.options.replicas == 1;
        Config {
            name: format!("{}_SNAPSHOTS", names.streams),
            subjects: vec![format!("{}.snap.>", names.subjects)],
            discard: DiscardPolicy::Old,
            max_messages_per_subject: 1,
            persist_mode: lazy.then_some(PersistenceMode::Async),
            ..self.any()
        }
    }

    fn claims(&self, names: &Names) -> Config {
        Config {
            name: format!("{}_CLAIMS", names.streams),
            subjects: vec![format!("{}.claim.>", names.subjects)],
            discard: DiscardPolicy::Old,
            max_messages_per_subject: 1,
            max_age: claim::KEPT,
            ..self.any()
        }
    }

    fn cursors(&self, names: &Names) -> Config {
        Config {
            name: format!("{}_CURSORS", names.streams),
            subjects: vec![format!("{}.cursor.>", names.subjects)],
            discard: DiscardPolicy::Old,
            max_messages_per_subject: 1,
            ..self.any()
        }
    }

    fn any(&self) -> Config {
        Config {
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            num_replicas: self.options.replicas,
            duplicate_window: DUPLICATE_WINDOW,
            compression: Some(Compression::None),
            allow_direct: true,
            metadata: HashMap::from([
                (IDENTITY.to_owned(), self.identity.clone()),
                (PARTITIONS.to_owned(), self.options.partitions.to_string()),
            ]),
            ..Config::default()
        }
    }
}

/// Refuses a stream on which the log's promises do not hold. What operators may tune, such as
/// replicas, is theirs.
fn check(wanted: &Config, found: &Config) -> Result<(), Refusal> {
    let limited = |limit: i64, wanted: i64| limit > 0 && limit != wanted;
    let reason = if found.retention != RetentionPolicy::Limits {
        "its retention is not by limits"
    } else if found.storage != StorageType::File {
        "it is not stored in files"
    } else if found.discard != wanted.discard {
        "what it discards when full is not as we set it"
    } else if found.max_age != wanted.max_age
        || limited(found.max_messages, wanted.max_messages)
        || limited(
            found.max_messages_per_subject,
            wanted.max_messages_per_subject,
        )
    {
        "it forgets messages otherwise than we set it"
    } else if (wanted.deny_delete, wanted.deny_purge) != (found.deny_delete, found.deny_purge) {
        "messages can be deleted from it"
    } else if !found.allow_direct {
        "it does not allow direct reads"
    } else if !found.metadata.contains_key(IDENTITY) {
        "it was not made by rapport"
    } else {
        if found.num_replicas != wanted.num_replicas {
            let (found_replicas, asked) = (found.num_replicas, wanted.num_replicas);
            tracing::warn!(
                stream = found.name,
                found_replicas,
                asked,
                "replicas differ"
            );
        }
        return Ok(());
    };
    Err(Refusal::Stream {
        stream: found.name.clone(),
        reason: reason.into(),
    })
}
