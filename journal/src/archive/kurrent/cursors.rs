//! The policies' cursors: the last event of `rapport-<identity>-cursors` has all of them.

use std::collections::BTreeMap;

use eventstore::{
    AppendToStreamOptions, Error, EventData, ExpectedRevision, ReadStreamOptions,
    StreamMetadataBuilder, StreamPosition,
};
use uuid::Uuid;

use super::KurrentArchive;
use super::link::unavailable;
use crate::JournalError;
use crate::token::Token;

/// So many events the server keeps: the one that counts, and one to compare it with.
const KEPT: u64 = 2;

impl KurrentArchive {
    /// Keeps cursors as they are now, where they are not as they were.
    pub(in crate::archive) async fn keep_cursors(
        &self,
        cursors: &[(Token, Vec<u8>)],
    ) -> Result<(), JournalError> {
        let Some(stream) = self.cursors_stream().await? else {
            return Ok(());
        };
        let (held, known) = self.last_cursors(&stream).await?;
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        let cursors: BTreeMap<_, _> = cursors
            .iter()
            .map(|(name, body)| (name.as_str().to_owned(), text(body)))
            .collect();
        if cursors == known {
            return Ok(());
        }
        if held == 0 {
            self.let_server_forget(&stream).await?;
        }
        let event =
            EventData::json("rapport.cursors", &cursors).map_err(JournalError::unavailable)?;
        // Named by what it says: a repeated append is known, and another process's is not.
        let id = format!("{stream} {held} {cursors:?}");
        let event = event.id(Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes()));
        match self.append(&stream, held, vec![event]).await {
            // Another process that copies was faster, with cursors of this second too.
            Ok(_) | Err(Error::WrongExpectedVersion { .. }) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The cursors that were kept last.
    pub(in crate::archive) async fn cursors(&self) -> Result<Vec<(Token, Vec<u8>)>, JournalError> {
        let Some(stream) = self.cursors_stream().await? else {
            return Ok(Vec::new());
        };
        let (_, known) = self.last_cursors(&stream).await?;
        let named = |(name, body): (String, String)| {
            let name = Token::try_new(&name).map_err(JournalError::unavailable)?;
            Ok((name, body.into_bytes()))
        };
        known.into_iter().map(named).collect()
    }

    /// How many events the stream has had, and what its last one says.
    async fn last_cursors(
        &self,
        stream: &str,
    ) -> Result<(u64, BTreeMap<String, String>), JournalError> {
        let last = ReadStreamOptions::default()
            .position(StreamPosition::End)
            .max_count(1);
        let Some(last) = self.events(stream, last).await?.pop() else {
            return Ok((0, BTreeMap::new()));
        };
        let known = serde_json::from_slice(&last.data)
            .map_err(|error| JournalError::Malformed(format!("the stream {stream}: {error}")))?;
        Ok((last.revision + 1, known))
    }

    async fn let_server_forget(&self, stream: &str) -> Result<(), JournalError> {
        let metadata = StreamMetadataBuilder::new().max_count(KEPT).build();
        let options = AppendToStreamOptions::default()
            .expected_revision(ExpectedRevision::NoStream)
            .requires_leader(true);
        let set = async |client: eventstore::Client| {
            client
                .set_stream_metadata(stream, &options, &metadata)
                .await
        };
        match self.link.within(set).await {
            // Somebody has set it before.
            Ok(_) | Err(Error::WrongExpectedVersion { .. }) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn cursors_stream(&self) -> Result<Option<String>, JournalError> {
        let identity = self.identity().await?;
        Ok(identity.map(|identity| format!("rapport-{identity}-cursors")))
    }
}
