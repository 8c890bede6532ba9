//! The one table of aggregates. What must know each of them is made from it: events of any kind and their
//! schemas, the stores, what may be undone.

/// Hands every aggregate to a macro, as `name Variant: aggregate, event, undo;`: the name of its store, the
/// variant of `schemas::any::DomainEvent`, its types, and whether people may take its changes back
/// (`undone`) or not (`kept`). What only the journal itself writes is `unserved`: no desk takes commands to it.
#[macro_export]
macro_rules! aggregates {
    ($then:ident) => {
        $then! {
            lead Lead: $crate::lead::aggregate::Lead, $crate::lead::event::LeadEvent, undone;
            sale Sale: $crate::sale::aggregate::Sale, $crate::sale::event::SaleEvent, undone;
            pipeline Pipeline: $crate::pipeline::aggregate::Pipeline, $crate::pipeline::event::PipelineEvent, undone;
            contact Contact: $crate::contact::aggregate::Contact, $crate::contact::event::ContactEvent, undone;
            automation Automation: $crate::automation::Automation, $crate::automation::AutomationEvent, kept;
            key Key: $crate::key::ApiKey, $crate::key::KeyEvent, kept;
            number Number: $crate::number::Numbers, $crate::number::NumbersEvent, kept;
            quarantine Quarantine: $crate::quarantine::Quarantine, $crate::quarantine::QuarantineEvent, kept;
            unique Unique: $crate::unique::Reservations, $crate::unique::UniqueEvent, kept;
            webhook Webhook: $crate::webhook::aggregate::Webhook, $crate::webhook::event::WebhookEvent, kept;
            vault Vault: $crate::vault::VaultBinding, $crate::vault::VaultEvent, unserved;
            policy Policy: $crate::policy::PolicyRecord, $crate::policy::PolicyEvent, kept;
        }
    };
}
