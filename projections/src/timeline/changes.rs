//! What an event changed: each field of the card before it and after it.
//!
//! Fields have the names and values of the routes. A person's reads `erased` on both sides once that
//! person was erased, because the log gives back no more.

use commands::http::pipelines::view::PipelineView;
use commands::http::views::{ContactView, LeadView, SaleView};
use domain::contact::aggregate::Contact;
use domain::contact::event::ContactEvent;
use domain::id::{ContactId, Keyed, LeadId, SaleId};
use domain::lead::aggregate::Lead;
use domain::pipeline::PipelineId;
use domain::pipeline::aggregate::Pipeline;
use domain::sale::aggregate::Sale;
use jiff::Timestamp;
use journal::store::{Loaded, Storable};
use schemas::any::Within;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// What every event changes, and nobody asks for.
const OF_EVERY_EVENT: [&str; 4] = ["id", "created_at", "updated_at", "version"];

/// A field that an event changed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    /// Its name on the card.
    pub field: String,
    /// What it was; `null` where it was nothing.
    pub before: Value,
    /// What it is.
    pub after: Value,
}

/// An aggregate whose card is shown.
pub(super) trait Carded: Storable<Event: Within> + Keyed {
    /// What the routes answer of it; `None` where there is nothing to see.
    fn view(id: Self::Id, loaded: &Loaded<Self>) -> Option<Value>;

    /// The fields of its card; none before it began.
    fn card(loaded: &Loaded<Self>) -> Map<String, Value>;

    /// What an event changed that the cards do not show.
    fn hidden(_event: &Self::Event) -> Option<FieldChange> {
        None
    }
}

impl Carded for Lead {
    fn view(id: Self::Id, loaded: &Loaded<Self>) -> Option<Value> {
        serde_json::to_value(LeadView::of(id, loaded)?).ok()
    }

    fn card(loaded: &Loaded<Self>) -> Map<String, Value> {
        fields(LeadView::of(LeadId(0), loaded))
    }
}

impl Carded for Sale {
    fn view(id: Self::Id, loaded: &Loaded<Self>) -> Option<Value> {
        serde_json::to_value(SaleView::of(id, loaded)?).ok()
    }

    fn card(loaded: &Loaded<Self>) -> Map<String, Value> {
        fields(SaleView::of(SaleId(0), loaded))
    }
}

impl Carded for Pipeline {
    fn view(id: PipelineId, loaded: &Loaded<Self>) -> Option<Value> {
        serde_json::to_value(PipelineView::of(id, loaded)?).ok()
    }

    fn card(loaded: &Loaded<Self>) -> Map<String, Value> {
        let declared = loaded.state.declared.as_ref();
        fields(declared.and_then(|table| PipelineView::of(table.key, loaded)))
    }
}

impl Carded for Contact {
    fn view(id: Self::Id, loaded: &Loaded<Self>) -> Option<Value> {
        serde_json::to_value(ContactView::of(id, loaded)?).ok()
    }

    /// Also of one that is removed: that is a field here.
    fn card(loaded: &Loaded<Self>) -> Map<String, Value> {
        let (removed, erased) = (loaded.state.removed, loaded.state.erased);
        let mut shown = loaded.clone();
        shown.state.removed = false;
        let mut card = fields(ContactView::of(ContactId(0), &shown));
        if erased {
            // It is empty by then, and its fields go on to say what they said.
            card.clear();
        }
        card.insert("removed".into(), json!(removed));
        card.insert("erased".into(), json!(erased));
        card
    }

    /// One erased text after another, or one that was erased gone from a list that reads as empty.
    fn hidden(event: &ContactEvent) -> Option<FieldChange> {
        let (field, before, after) = match event {
            ContactEvent::FieldChanged { field, from, to } => {
                (field.as_str(), json!(from), json!(to))
            }
            ContactEvent::PhoneRemoved { phone } => ("phones", json!([phone]), json!([])),
            ContactEvent::EmailRemoved { email } => ("emails", json!([email]), json!([])),
            ContactEvent::TagRemoved { tag } => ("tags", json!([tag]), json!([])),
            ContactEvent::LinkRemoved { label, url } => {
                let link = json!({ "label": label, "url": url });
                ("links", json!([link]), json!([]))
            }
            ContactEvent::Created { .. }
            | ContactEvent::PhoneAdded { .. }
            | ContactEvent::EmailAdded { .. }
            | ContactEvent::TagAdded { .. }
            | ContactEvent::LinkAdded { .. }
            | ContactEvent::Noted { .. }
            | ContactEvent::NoteWithdrawn { .. }
            | ContactEvent::Removed {}
            | ContactEvent::Restored {}
            | ContactEvent::ReservationLapsed {}
            | ContactEvent::Erased {} => return None,
        };
        Some(FieldChange {
            field: field.to_owned(),
            before,
            after,
        })
    }
}

fn fields(view: Option<impl Serialize>) -> Map<String, Value> {
    match serde_json::to_value(view) {
        Ok(Value::Object(mut card)) => {
            card.retain(|field, _| !OF_EVERY_EVENT.contains(&field.as_str()));
            card
        }
        Ok(_) | Err(_) => Map::new(),
    }
}

/// Cards along a stream.
pub(super) struct Cards<A> {
    loaded: Loaded<A>,
    card: Map<String, Value>,
}

impl<A: Carded> Cards<A> {
    /// Before its first event.
    pub(super) fn new() -> Self {
        Self::behind(Loaded::default())
    }

    /// Behind what its stream has made of it so far.
    pub(super) fn behind(loaded: Loaded<A>) -> Self {
        Self {
            card: A::card(&loaded),
            loaded,
        }
    }

    /// What the routes would answer of it now.
    pub(super) fn view(&self, id: A::Id) -> Option<Value> {
        A::view(id, &self.loaded)
    }

    /// What the next event changes.
    pub(super) fn then(&mut self, event: &A::Event, at: Timestamp) -> Vec<FieldChange> {
        self.loaded.state.apply(event.clone());
        self.loaded.version += 1;
        self.loaded.created_at.get_or_insert(at);
        self.loaded.updated_at = Some(at);
        let before = std::mem::replace(&mut self.card, A::card(&self.loaded));
        let difference = |(field, after): (&String, &Value)| {
            let before = before.get(field).cloned().unwrap_or_default();
            let same = before == *after || (is_nothing(&before) && is_nothing(after));
            (!same).then(|| FieldChange {
                field: field.clone(),
                before,
                after: after.clone(),
            })
        };
        let mut changes: Vec<_> = self.card.iter().filter_map(difference).collect();
        changes.sort_by(|one, other| one.field.cmp(&other.field));
        if changes.is_empty() {
            changes.extend(A::hidden(event));
        }
        changes
    }
}

/// Also an object of which nothing is known.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
