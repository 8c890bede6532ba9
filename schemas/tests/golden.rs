//! What is checked in beside the code: a JSON Schema and a sample of every event and version,
//! and the AsyncAPI description.
//!
//! `just schemas` writes them again. A sample that exists is never changed and never removed: a
//! log may hold an event like it, so it must load for ever.

use std::fs;
use std::path::{Path, PathBuf};

use domain::automation::{AutomationEvent, Rule, Setting};
use domain::contact::address::{Email, Phone};
use domain::contact::event::{ContactEvent, ContactField};
use domain::effect::{CameDue, Claimed, EffectEvent, Lost, Outcome, Report, Settled};
use domain::id::{ContactId, LeadId, SaleId};
use domain::key::{KeyEvent, Role};
use domain::lead::details::LeadField;
use domain::lead::event::{Analysis, LeadEvent};
use domain::lead::scoring::{Recommendation, Score};
use domain::lead::source::{BusinessDomain, LeadSource};
use domain::money::{Currency, Money};
use domain::number::NumbersEvent;
use domain::pipeline::event::PipelineEvent;
use domain::pipeline::table::{Place, Stage, WonBy};
use domain::pipeline::{StageKey, built_in, table};
use domain::policy::{Mark, PolicyEvent, Start};
use domain::quarantine::QuarantineEvent;
use domain::sale::event::SaleEvent;
use domain::unique::UniqueEvent;
use domain::vault::VaultEvent;
use domain::webhook::EventFilter;
use domain::webhook::event::{Delivery, HeldLane, WebhookEvent};
use schemas::any::DomainEvent;
use schemas::{asyncapi, catalog, codec, envelope};
use serde_json::Value;
use serde_json::value::RawValue;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn wanted() -> bool {
    std::env::var_os("RAPPORT_WRITE_SCHEMAS").is_some()
}

/// Compares a generated file with the one that is checked in, or writes it where that is asked.
fn same(path: &Path, generated: &Value) {
    let text = format!(
        "{}\n",
        serde_json::to_string_pretty(&sorted(generated)).unwrap()
    );
    if wanted() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &text).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        kept,
        text,
        "{} is not what the code says: run `just schemas` and review the difference",
        path.display()
    );
}

/// Whether `serde_json` keeps the order of keys depends on what else is built beside it.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)));
            let fields: std::collections::BTreeMap<_, _> = fields.collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[test]
fn every_event_has_its_schema() {
    for kind in DomainEvent::kinds() {
        let schema = catalog::schema(kind.name).unwrap();
        same(
            &folder().join(format!("{}.json", catalog::path(kind.name, kind.version))),
            &schema,
        );
    }
}

/// Also of versions that are written no more: a log may hold them.
#[test]
fn a_message_of_the_log_has_its_schema() {
    let mut events = Vec::new();
    for category in fs::read_dir(folder()).unwrap().flatten() {
        let category = category.file_name().into_string().unwrap();
        for file in fs::read_dir(folder().join(&category)).unwrap().flatten() {
            let file = file.file_name().into_string().unwrap();
            let Some((fact, version)) = file.split_once(".v") else {
                continue;
            };
            if let Some(version) = version.strip_suffix(".sample.json") {
                events.push((format!("{category}.{fact}"), version.parse().unwrap()));
            }
        }
    }
    events.sort();
    let missing = |(name, version): &&(String, u16)| {
        !folder()
            .join(format!("{}.json", catalog::path(name, *version)))
            .exists()
    };
    let missing: Vec<_> = events.iter().filter(missing).collect();
    assert!(missing.is_empty(), "no schema of {missing:?}");
    same(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("commit.json"),
        &envelope::schema(&events),
    );
}

#[test]
fn the_subjects_are_described() {
    same(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("asyncapi.json"),
        &asyncapi::describe(),
    );
}

#[test]
fn every_event_of_today_has_a_sample() {
    let samples = samples();
    for kind in DomainEvent::kinds() {
        let event = samples.iter().find(|event| event.kind().name == kind.name);
        let event = event.unwrap_or_else(|| panic!("samples() lacks {}", kind.name));
        let path = folder().join(format!(
            "{}.sample.json",
            catalog::path(kind.name, kind.version)
        ));
        if wanted() && !path.exists() {
            fs::write(&path, format!("{}\n", encoded(event))).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            kept.trim(),
            encoded(event),
            "{} changed its form without a new version",
            kind.name
        );
    }
}

#[test]
fn every_sample_ever_written_still_loads() {
    let mut seen = 0;
    for category in fs::read_dir(folder()).unwrap().flatten() {
        for file in fs::read_dir(category.path()).unwrap().flatten() {
            let path = file.path();
            if !path.to_string_lossy().ends_with(".sample.json") {
                continue;
            }
            seen += 1;
            let raw = RawValue::from_string(fs::read_to_string(&path).unwrap().trim().to_owned())
                .unwrap();
            let category = category.file_name();
            let event = DomainEvent::decode(category.to_str().unwrap(), &raw);
            let event = event.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = codec::head(&raw).unwrap().name;
            assert_eq!(event.kind().name, name);
        }
    }
    assert!(
        seen > DomainEvent::kinds().count(),
        "{seen} samples: those of old versions are kept too"
    );
}

#[test]
fn a_stage_change_of_version_one_had_no_reason() {
    let old = fs::read_to_string(folder().join("lead/stage_changed.v1.sample.json")).unwrap();
    assert!(!old.contains("reason"), "{old}");
    let old = RawValue::from_string(old.trim().to_owned()).unwrap();
    let event = DomainEvent::decode("lead", &old).unwrap();
    let (from, to) = (built_in::NEW, built_in::CONTACTED);
    assert_eq!(
        event,
        LeadEvent::StageChanged {
            from,
            to,
            outcome: table::Outcome::Open,
            reason: None
        }
        .into()
    );
}

fn encoded(event: &DomainEvent) -> String {
    event.encode().unwrap().get().to_owned()
}

/// One event of every kind.
#[expect(clippy::too_many_lines, reason = "a list")]
fn samples() -> Vec<DomainEvent> {
    let money = Money {
        minor: 5_000_000,
        currency: Currency::Uah,
    };
    let (phone, email) = (
        Phone::try_new("+380671234567").unwrap(),
        Email::try_new("o@example.com").unwrap(),
    );
    let at = "2026-02-21T16:55:38.144323Z".parse().unwrap();
    let demo = Stage {
        key: StageKey::literal("demo"),
        name: "Demo shown".into(),
        outcome: table::Outcome::Open,
        next: vec![built_in::QUALIFIED, built_in::LOST],
        retired: false,
    };
    let (stage, name) = (demo.key, demo.name.clone());
    let programs = built_in::programs();
    vec![
        LeadEvent::Opened {
            source: LeadSource::Partner,
            business_domain: Some(BusinessDomain::First),
            contact: Some(ContactId(7)),
            pipeline: built_in::SALES_TEAM,
            stage: built_in::NEW,
        }
        .into(),
        LeadEvent::DomainSet {
            business_domain: BusinessDomain::Second,
        }
        .into(),
        LeadEvent::ContactLinked {
            contact: ContactId(7),
        }
        .into(),
        LeadEvent::StageChanged {
            from: built_in::NEW,
            to: built_in::LOST,
            outcome: table::Outcome::Lost,
            reason: Some("no budget".into()),
        }
        .into(),
        LeadEvent::MessagesRecorded {
            increment: 5,
            total: 12,
        }
        .into(),
        LeadEvent::Analyzed(Analysis {
            score: Score::from_thousandths(750).unwrap(),
            recommendation: Recommendation::TransferToSales,
            reason: "source partner +0.25".into(),
            analyst: "rules".into(),
            at,
        })
        .into(),
        LeadEvent::Transferred {
            from: built_in::QUALIFIED,
            to: built_in::TRANSFERRED,
            sale: SaleId(3),
            amount: money,
            begins: Place::of_a_sale(),
        }
        .into(),
        PipelineEvent::Opened {
            key: programs.key,
            kind: programs.kind,
            name: programs.name.clone(),
            won_by: WonBy::Step,
            stages: programs.stages,
        }
        .into(),
        PipelineEvent::Renamed {
            from: programs.name,
            to: "Courses".into(),
        }
        .into(),
        PipelineEvent::StageAdded {
            stage: demo,
            place: 1,
            from: vec![built_in::NEW],
        }
        .into(),
        PipelineEvent::StageRenamed {
            stage,
            from: name,
            to: "Shown".into(),
        }
        .into(),
        PipelineEvent::StepsChanged {
            stage,
            from: vec![built_in::QUALIFIED, built_in::LOST],
            to: vec![built_in::LOST],
        }
        .into(),
        PipelineEvent::Reordered {
            from: vec![built_in::NEW, built_in::LOST],
            to: vec![built_in::LOST, built_in::NEW],
        }
        .into(),
        PipelineEvent::StageRetired { stage }.into(),
        PipelineEvent::StageRestored { stage }.into(),
        PipelineEvent::Retired {}.into(),
        PipelineEvent::Restored {}.into(),
        SaleEvent::Opened {
            lead: LeadId(1),
            amount: money,
            pipeline: built_in::SALES,
            stage: built_in::NEW,
        }
        .into(),
        SaleEvent::StageChanged {
            from: built_in::NEW,
            to: built_in::KYC,
            outcome: table::Outcome::Open,
            reason: None,
        }
        .into(),
        SaleEvent::AmountChanged {
            from: money,
            to: Money {
                minor: 9990,
                ..money
            },
        }
        .into(),
        ContactEvent::Created {
            name: "Olena Koval".into(),
            company: Some("Acme".into()),
            role: Some("CEO".into()),
            phones: vec![phone.clone()],
            emails: vec![email.clone()],
            note: None,
        }
        .into(),
        ContactEvent::FieldChanged {
            field: ContactField::Role,
            from: Some("CEO".into()),
            to: None,
        }
        .into(),
        ContactEvent::PhoneAdded {
            phone: phone.clone(),
        }
        .into(),
        ContactEvent::PhoneRemoved { phone }.into(),
        ContactEvent::EmailAdded {
            email: email.clone(),
        }
        .into(),
        ContactEvent::EmailRemoved { email }.into(),
        ContactEvent::TagAdded { tag: "vip".into() }.into(),
        ContactEvent::TagRemoved { tag: "vip".into() }.into(),
        ContactEvent::LinkAdded {
            label: Some("LinkedIn".into()),
            url: "https://example.com/olena".into(),
        }
        .into(),
        ContactEvent::LinkRemoved {
            label: Some("LinkedIn".into()),
            url: "https://example.com/olena".into(),
        }
        .into(),
        ContactEvent::Noted {
            number: 1,
            text: "likes blue".into(),
        }
        .into(),
        ContactEvent::NoteWithdrawn {
            number: 1,
            text: "likes blue".into(),
        }
        .into(),
        ContactEvent::Removed {}.into(),
        ContactEvent::Restored {}.into(),
        ContactEvent::ReservationLapsed {}.into(),
        ContactEvent::Erased {}.into(),
        LeadEvent::DomainCleared {}.into(),
        LeadEvent::ContactUnlinked {}.into(),
        LeadEvent::MessagesWithdrawn {
            decrement: 5,
            total: 7,
        }
        .into(),
        LeadEvent::AnalysisWithdrawn {}.into(),
        LeadEvent::Forgotten {}.into(),
        LeadEvent::FieldChanged {
            field: LeadField::Title,
            from: None,
            to: Some("Two pools".into()),
        }
        .into(),
        LeadEvent::ExpectedAmountChanged {
            from: None,
            to: Some(money),
        }
        .into(),
        LeadEvent::TagAdded { tag: "vip".into() }.into(),
        LeadEvent::TagRemoved { tag: "vip".into() }.into(),
        LeadEvent::Noted {
            number: 1,
            text: "asked for blue".into(),
        }
        .into(),
        LeadEvent::NoteWithdrawn {
            number: 1,
            text: "asked for blue".into(),
        }
        .into(),
        QuarantineEvent::PositionPassedOver {
            position: "0:1234".into(),
            reason: "its bytes are no commit".into(),
        }
        .into(),
        AutomationEvent::RuleSet {
            rule: Rule::AnalyzeAfterMessages,
            setting: Setting {
                enabled: true,
                value: 5,
            },
        }
        .into(),
        PolicyEvent::Began { from: Start::Now }.into(),
        PolicyEvent::Placed {
            at: vec![Mark {
                partition: 0,
                sequence: 1234,
            }],
        }
        .into(),
        KeyEvent::Issued {
            name: "console".into(),
            role: Role::Operator,
            hash: "5a".repeat(32),
        }
        .into(),
        KeyEvent::Revoked {}.into(),
        NumbersEvent::Taken { first: 1, count: 8 }.into(),
        UniqueEvent::Reserved {
            value: "5a".repeat(16),
            owner: ContactId(7),
            seen: 3,
            attempt: "0192d3f4-5a5a-7000-8000-5a5a5a5a5a5a".parse().ok(),
            at,
        }
        .into(),
        UniqueEvent::Released {
            value: "5a".repeat(16),
            attempt: "0192d3f4-5a5a-7000-8000-5a5a5a5a5a5a".parse().ok(),
        }
        .into(),
        VaultEvent::Bound {
            vault: format!("vault-{}", "5a".repeat(16)),
            generation: 1,
        }
        .into(),
    ]
    .into_iter()
    .chain(of_a_webhook(at).map(DomainEvent::from))
    .collect()
}

/// One event of every kind that a webhook has.
fn of_a_webhook(at: jiff::Timestamp) -> [WebhookEvent; 16] {
    let id = "0192d3f4-5a5a-7000-8000-5a5a5a5a5a5a".parse().unwrap();
    let delivery = Delivery {
        id,
        sequence: 1234,
        commit: id,
        index: 0,
        record: "lead-7".into(),
        event: "lead.stage_changed".into(),
    };
    let (url, secret) = (
        "https://example.com/hook".to_owned(),
        "whsec_WlpaWlpaWlpaWlpa".to_owned(),
    );
    let events = vec![EventFilter("lead.*".into())];
    let effects = vec![id];
    [
        WebhookEvent::Registered {
            url: url.clone(),
            events: events.clone(),
            secret: secret.clone(),
            description: Some("accounting".into()),
            after: 1200,
        },
        WebhookEvent::Changed {
            url,
            events,
            description: None,
        },
        WebhookEvent::SecretRotated {
            secret,
            old_until: at,
        },
        WebhookEvent::Removed {},
        WebhookEvent::SwitchedOff {
            reason: "the receiver answered 410 Gone".into(),
        },
        WebhookEvent::SwitchedOn {},
        WebhookEvent::Rewound { after: 17 },
        WebhookEvent::Queued {
            to: 1240,
            deliveries: vec![delivery.clone()],
        },
        WebhookEvent::Resent {
            delivery: delivery.clone(),
        },
        WebhookEvent::LanesHeld {
            lanes: vec![HeldLane {
                record: "lead-7".into(),
                after: 1233,
            }],
        },
        WebhookEvent::LaneQueued {
            record: "lead-7".into(),
            to: 1250,
            deliveries: vec![delivery.clone()],
        },
        WebhookEvent::Tested {
            delivery: Delivery {
                record: "webhook-1".into(),
                event: "webhook.tested".into(),
                ..delivery
            },
        },
        WebhookEvent::Effect(EffectEvent::Claimed(Claimed {
            effects: effects.clone(),
            claim: id,
            until: at,
        })),
        WebhookEvent::Effect(EffectEvent::Settled(Settled {
            effect: id,
            attempt: 2,
            outcome: Outcome::Failed { retry_at: at },
            report: Report {
                code: Some(503),
                detail: Some("Service Unavailable".into()),
                took_ms: 87,
            },
            at,
        })),
        WebhookEvent::Effect(EffectEvent::CameDue(CameDue {
            effects: effects.clone(),
        })),
        WebhookEvent::Effect(EffectEvent::Lost(Lost { effects })),
    ]
}
