//! The rules of Rapport: what may happen to a contact, a lead or a sale, and what happened.
//!
//! Everything here is pure: no clock, no network, no randomness. Each aggregate has the same
//! parts: `event` (facts, with stored names), `command` (what may be asked) and `aggregate`
//! (`decide`, `apply`, refusals, given/when/then).
//!
//! - [`lead`]: somebody's interest, from first message to sales or to lost
//! - [`sale`]: what a transferred lead becomes
//! - [`pipeline`]: the stages that both pass, as data
//! - [`contact`]: a person we can reach
//! - [`automation`]: which rules of a workspace act by themselves
//! - [`webhook`]: an address that is told what happens
//! - [`effect`]: what is to happen outside, who tries it, and what became of it
//! - [`key`]: an API key and what it may do
//! - [`undo`]: what reverses an earlier event
//! - [`vault`]: which vault of keys belongs to the log
//! - [`policy`]: which policies have begun on this log
//! - [`number`], [`unique`]: the integer ids people say, and one owner per phone or email
//! - [`aggregates!`]: the table of all of them
//! - [`text`]: the one validator of what people type; [`tags`]: tags of any record

mod aggregates;
pub mod automation;
mod clearing;
pub mod contact;
pub mod effect;
pub mod event;
pub mod id;
pub mod key;
pub mod lead;
pub mod money;
pub mod number;
pub mod pipeline;
pub mod policy;
pub mod quarantine;
pub mod sale;
pub mod slug;
pub mod tags;
pub mod text;
pub mod undo;
pub mod unique;
pub mod vault;
pub mod webhook;
mod words;
