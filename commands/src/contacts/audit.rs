//! Who shows which phone and email, and who holds it: read from the whole log, compared, mended.
//!
//! The log has one order within a workspace, so what was read up to any commit is one moment.

use std::collections::{BTreeMap, BTreeSet};

use cqrs_es::Aggregate as _;
use domain::contact::aggregate::Contact;
use domain::contact::event::ContactEvent;
use domain::id::ContactId;
use domain::unique::{Reservations, ShardId, UniqueEvent, UniqueKind};
use journal::entry::Entry;
use journal::envelope::Recorded;
use journal::token::{StreamId, Token};
use journal::{Journal, JournalError};

use super::holdings::{Attempt, Holdings, Value, shown};
use super::{Contacts, ContactsError};
use crate::clock::fresh_id;
use crate::origin::Origin;

/// Commits read at once.
const BATCH: usize = 4096;

/// What was read of the log so far.
pub struct Audit {
    holdings: Holdings,
    workspaces: BTreeMap<Token, Seen>,
}

#[derive(Default)]
struct Seen {
    contacts: BTreeMap<ContactId, Contact>,
    shards: BTreeMap<String, Reservations>,
    /// Of these not every commit can be read: they are not judged.
    unreadable: BTreeSet<String>,
}

/// A holding that disagrees with what is shown. It is told without the value, which names a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// Whose contacts.
    pub workspace: Token,
    /// Which kind of value.
    pub kind: UniqueKind,
    /// Who shows it: one contact, or several.
    pub shown_by: Vec<ContactId>,
    /// Who holds it, where somebody does.
    pub held_by: Option<ContactId>,
    value: Value,
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, workspace) = (self.kind, &self.workspace);
        let shown_by: Vec<_> = self.shown_by.iter().map(ToString::to_string).collect();
        let shown_by = shown_by.join(" and ");
        match (self.shown_by.len(), self.held_by) {
            (1, None) => write!(
                f,
                "contact {shown_by} of {workspace} shows a {kind} that nobody holds"
            ),
            (1, Some(held_by)) => write!(
                f,
                "contact {shown_by} of {workspace} shows a {kind} that contact {held_by} holds"
            ),
            (_, _) => write!(
                f,
                "contacts {shown_by} of {workspace} show the same {kind}: take it away from all but one, \
                 with DELETE /api/v1/contacts/…/{kind}s/…"
            ),
        }
    }
}

impl Audit {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(contacts: &Contacts) -> Self {
        Self {
            holdings: contacts.holdings.clone(),
            workspaces: BTreeMap::new(),
        }
    }

    /// After the whole log as it is now.
    pub async fn of(contacts: &Contacts, journal: &Journal) -> Result<Self, JournalError> {
        let mut audit = Self::new(contacts);
        for head in journal.heads().await? {
            let mut after = 0;
            while after < head.sequence {
                let batch = journal.read(head.partition, after, BATCH).await?;
                let Some(last) = batch.last() else { break };
                after = last.position().sequence;
                for entry in &batch {
                    audit.note(entry);
                }
            }
        }
        Ok(audit)
    }

    /// After what comes next in the log.
    pub fn note(&mut self, entry: &Entry) {
        let Some(stream) = entry.stream() else { return };
        if ![Contact::TYPE, Reservations::TYPE].contains(&stream.category.as_str()) {
            return;
        }
        let seen = self.workspaces.entry(stream.workspace.clone());
        seen.or_default().note(&stream, entry);
    }

    /// Every holding that disagrees with what is shown.
    #[must_use]
    pub fn disagreements(&self) -> Vec<Disagreement> {
        let all = self.workspaces.iter();
        all.flat_map(|(workspace, seen)| self.within(workspace, seen))
            .collect()
    }

    fn within(&self, workspace: &Token, seen: &Seen) -> Vec<Disagreement> {
        let mut shown_by = BTreeMap::<_, (Value, Vec<ContactId>)>::new();
        for (id, contact) in &seen.contacts {
            if seen.unreadable.contains(&format!("{}.{id}", Contact::TYPE)) {
                continue;
            }
            for value in shown(contact).into_iter().filter(Value::is_address) {
                let place = self.holdings.place(&value, workspace);
                let (_, ids) = shown_by.entry(place).or_insert_with(|| (value, Vec::new()));
                ids.push(*id);
            }
        }
        let mut all = Vec::new();
        for ((root, hash), (value, shown_by)) in shown_by {
            let way = seen.way(root, &hash);
            if way.iter().any(|shard| seen.cannot_read(*shard)) {
                continue;
            }
            let held_by = way.iter().find_map(|shard| seen.holder(*shard, &hash));
            if shown_by.len() > 1 || held_by != shown_by.first().copied() {
                all.push(Disagreement {
                    workspace: workspace.clone(),
                    kind: value.kind,
                    shown_by,
                    held_by,
                    value,
                });
            }
        }
        all
    }
}

impl Seen {
    /// The shards that a value is looked for in.
    fn way(&self, root: ShardId, hash: &str) -> Vec<ShardId> {
        let child = |shard: &ShardId| {
            let state = self.shards.get(&shard.to_string())?;
            (!state.has_place_for(hash)).then(|| shard.child(hash))?
        };
        std::iter::successors(Some(root), child).collect()
    }

    fn cannot_read(&self, shard: ShardId) -> bool {
        let stream = format!("{}.{shard}", Reservations::TYPE);
        self.unreadable.contains(&stream)
    }

    fn holder(&self, shard: ShardId, hash: &str) -> Option<ContactId> {
        let held = self.shards.get(&shard.to_string())?.held.get(hash)?;
        Some(held.owner)
    }

    fn note(&mut self, stream: &StreamId, entry: &Entry) {
        let noted = match entry {
            Entry::Commit(recorded) if stream.category.as_str() == Contact::TYPE => {
                self.contact(recorded)
            }
            Entry::Commit(recorded) => self.shard(recorded),
            Entry::Unreadable(unreadable) => unreadable.fault.is_passed_over().then_some(()),
        };
        if noted.is_none() {
            let record = format!("{}.{}", stream.category, stream.id);
            self.unreadable.insert(record);
        }
    }

    fn contact(&mut self, recorded: &Recorded) -> Option<()> {
        let id = ContactId(recorded.commit.id.as_str().parse().ok()?);
        let contact = self.contacts.entry(id).or_default();
        for event in decoded::<ContactEvent>(recorded)? {
            contact.apply(event);
        }
        // Only phones and emails are compared: the rest is not kept in memory for everybody.
        if let Some(card) = &mut contact.card {
            card.name.clear();
            (card.company, card.role, card.note) = (None, None, None);
        }
        Some(())
    }

    fn shard(&mut self, recorded: &Recorded) -> Option<()> {
        let shard = self.shards.entry(recorded.commit.id.to_string());
        let shard = shard.or_default();
        for event in decoded::<UniqueEvent>(recorded)? {
            shard.apply(event);
        }
        Some(())
    }
}

fn decoded<E: domain::event::Stored>(recorded: &Recorded) -> Option<Vec<E>> {
    let events = recorded.commit.events.iter();
    events
        .map(|event| schemas::codec::decode(event).ok())
        .collect()
}

impl Contacts {
    /// Lets a contact hold what it alone shows. Which of several may keep what they show, a person
    /// decides.
    pub async fn mend(&self, found: &Disagreement, origin: &Origin) -> Result<(), ContactsError> {
        let [id] = found.shown_by.as_slice() else {
            let (kind, owner) = (found.kind, found.shown_by[0]);
            return Err(ContactsError::Taken { kind, owner });
        };
        let _turn = self.holdings.turn(*id, origin).await;
        let contact = self.holdings.card(*id, origin).await?;
        if !shown(&contact.state).contains(&found.value) {
            return Ok(());
        }
        let mut attempt = Attempt::new(*id, fresh_id());
        let values = std::slice::from_ref(&found.value);
        let reserve = self
            .holdings
            .reserve(&mut attempt, contact.version, values, origin);
        reserve.await
    }
}
