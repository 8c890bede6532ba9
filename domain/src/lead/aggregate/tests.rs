//! Given what happened, when asked, then this happens: every rule and refusal of a lead.

use cqrs_es::Aggregate;
use cqrs_es::test::TestFramework;
use jiff::Timestamp;
use proptest::prelude::*;

use super::{Decide, Lead, LeadError};
use crate::id::{ContactId, SaleId};
use crate::lead::command::LeadCommand::{
    ChangeStage, Describe, Open, RecordAnalysis, RecordMessages, Transfer,
};
use crate::lead::command::{Gate, LeadCommand};
use crate::lead::details::{Edit, LeadField};
use crate::lead::event::LeadEvent::{
    Analyzed, ContactLinked, ContactUnlinked, DomainCleared, DomainSet, MessagesRecorded, Opened,
    StageChanged, Transferred,
};
use crate::lead::event::{Analysis, LeadEvent};
use crate::lead::scoring::Score;
use crate::lead::source::{BusinessDomain, LeadSource};
use crate::money::{Currency, Money};
use crate::pipeline::StageKey;
use crate::pipeline::built_in::{
    self, CONTACTED as Contacted, LOST as Lost, NEW as New, QUALIFIED as Qualified,
};
use crate::pipeline::table::{NoStep, Outcome, Place};
use crate::text::BadText;

fn lead() -> TestFramework<Lead> {
    TestFramework::with(())
}

fn opened() -> LeadEvent {
    Opened {
        source: LeadSource::Partner,
        business_domain: Some(BusinessDomain::First),
        contact: None,
        pipeline: built_in::SALES_TEAM,
        stage: New,
    }
}

fn opened_without_domain() -> LeadEvent {
    Opened {
        source: LeadSource::Scanner,
        business_domain: None,
        contact: None,
        pipeline: built_in::SALES_TEAM,
        stage: New,
    }
}

fn moved(from: StageKey, to: StageKey) -> LeadEvent {
    StageChanged {
        from,
        to,
        outcome: built_in::sales_team().outcome(to),
        reason: None,
    }
}

fn move_to(to: StageKey) -> LeadCommand {
    ChangeStage {
        to,
        seen: None,
        reason: None,
        table: built_in::sales_team(),
    }
}

fn analysis(thousandths: u16) -> Analysis {
    let score = Score::from_thousandths(thousandths).unwrap();
    Analysis {
        score,
        recommendation: score.recommendation(),
        reason: "because".into(),
        analyst: "rules".into(),
        at: Timestamp::from_second(1_000).unwrap(),
    }
}

fn gate() -> Gate {
    Gate {
        min_score: Score::from_thousandths(600).unwrap(),
        fresh_after: Timestamp::from_second(0).unwrap(),
    }
}

const AMOUNT: Money = Money {
    minor: 1_000_000,
    currency: Currency::Uah,
};

fn transfer() -> LeadCommand {
    Transfer {
        sale: SaleId(1),
        amount: AMOUNT,
        gate: gate(),
        table: built_in::sales_team(),
        begins: Place::of_a_sale(),
    }
}

fn qualified() -> Vec<LeadEvent> {
    vec![opened(), moved(New, Contacted), moved(Contacted, Qualified)]
}

fn and(mut events: Vec<LeadEvent>, last: LeadEvent) -> Vec<LeadEvent> {
    events.push(last);
    events
}

#[test]
fn a_lead_is_opened_once() {
    let open = Open {
        source: LeadSource::Partner,
        business_domain: Some(BusinessDomain::First),
        contact: None,
        edit: Edit::default(),
        begins: Place::of_a_lead(),
    };
    lead()
        .given_no_previous_events()
        .when(open.clone())
        .then_expect_events(vec![opened()]);
    lead()
        .given(vec![opened()])
        .when(open)
        .then_expect_error(LeadError::AlreadyOpen);
}

#[test]
fn what_was_never_opened_cannot_change() {
    for command in [
        move_to(Contacted),
        RecordMessages { increment: 1 },
        transfer(),
    ] {
        lead()
            .given_no_previous_events()
            .when(command)
            .then_expect_error(LeadError::NotOpen);
    }
}

#[test]
fn a_lead_moves_one_step_at_a_time() {
    lead()
        .given(vec![opened()])
        .when(move_to(Contacted))
        .then_expect_events(vec![moved(New, Contacted)]);
    lead()
        .given(vec![opened()])
        .when(move_to(Qualified))
        .then_expect_error(LeadError::NoStep(NoStep::Forbidden {
            from: New,
            to: Qualified,
        }));
}

#[test]
fn asking_twice_changes_nothing() {
    lead()
        .given(vec![opened(), moved(New, Contacted)])
        .when(move_to(Contacted))
        .then_expect_events(vec![]);
}

#[test]
fn a_stale_screen_cannot_overwrite_a_colleague() {
    lead()
        .given(vec![opened(), moved(New, Contacted)])
        .when(ChangeStage {
            seen: Some(New),
            to: Lost,
            reason: None,
            table: built_in::sales_team(),
        })
        .then_expect_error(LeadError::Stale {
            seen: New,
            now: Contacted,
        });
}

#[test]
fn a_reason_for_losing_it_is_kept() {
    let reason = Some("chose a competitor".to_owned());
    lead()
        .given(vec![opened()])
        .when(ChangeStage {
            to: Lost,
            seen: Some(New),
            reason: reason.clone(),
            table: built_in::sales_team(),
        })
        .then_expect_events(vec![StageChanged {
            from: New,
            to: Lost,
            outcome: Outcome::Lost,
            reason,
        }]);
}

#[test]
fn a_lost_lead_is_never_reopened() {
    let lost = vec![opened(), moved(New, Lost)];
    lead()
        .given(lost.clone())
        .when(move_to(Contacted))
        .then_expect_error(LeadError::NoStep(NoStep::Forbidden {
            from: Lost,
            to: Contacted,
        }));
    lead()
        .given(lost.clone())
        .when(RecordAnalysis(analysis(700)))
        .then_expect_error(LeadError::Closed { stage: Lost });
    lead()
        .given(lost)
        .when(Describe {
            business_domain: Some(Some(BusinessDomain::Third)),
            contact: None,
            edit: Edit::default(),
        })
        .then_expect_error(LeadError::Closed { stage: Lost });
}

#[test]
fn messages_add_up() {
    lead()
        .given(vec![
            opened(),
            MessagesRecorded {
                increment: 5,
                total: 5,
            },
        ])
        .when(RecordMessages { increment: 2 })
        .then_expect_events(vec![MessagesRecorded {
            increment: 2,
            total: 7,
        }]);
}

#[test]
fn an_absurd_increment_is_refused() {
    for increment in [0, 10_001, u32::MAX] {
        lead()
            .given(vec![opened()])
            .when(RecordMessages { increment })
            .then_expect_error(LeadError::BadIncrement);
    }
}

#[test]
fn describing_records_only_what_is_new() {
    let domain = BusinessDomain::Second;
    lead()
        .given(vec![opened_without_domain()])
        .when(Describe {
            business_domain: Some(Some(domain)),
            contact: Some(Some(ContactId(3))),
            edit: Edit::default(),
        })
        .then_expect_events(vec![
            DomainSet {
                business_domain: domain,
            },
            ContactLinked {
                contact: ContactId(3),
            },
        ]);
    lead()
        .given(vec![opened()])
        .when(Describe {
            business_domain: Some(Some(BusinessDomain::First)),
            contact: None,
            edit: Edit::default(),
        })
        .then_expect_events(vec![]);
}

#[test]
fn what_is_not_known_after_all_is_cleared_once() {
    let cleared = Describe {
        business_domain: Some(None),
        contact: Some(None),
        edit: Edit::default(),
    };
    let linked = ContactLinked {
        contact: ContactId(3),
    };
    lead()
        .given(vec![opened(), linked.clone()])
        .when(cleared.clone())
        .then_expect_events(vec![DomainCleared {}, ContactUnlinked {}]);
    lead()
        .given(vec![opened(), linked, DomainCleared {}, ContactUnlinked {}])
        .when(cleared)
        .then_expect_events(vec![]);
}

#[test]
fn a_good_lead_is_transferred() {
    lead()
        .given(and(qualified(), Analyzed(analysis(600))))
        .when(transfer())
        .then_expect_events(vec![Transferred {
            from: Qualified,
            to: built_in::TRANSFERRED,
            sale: SaleId(1),
            amount: AMOUNT,
            begins: Place::of_a_sale(),
        }]);
}

#[test]
fn a_transfer_has_its_own_command() {
    lead()
        .given(qualified())
        .when(move_to(built_in::TRANSFERRED))
        .then_expect_error(LeadError::UseTransfer);
}

#[test]
fn a_lead_is_transferred_once() {
    let done = Transferred {
        from: Qualified,
        to: built_in::TRANSFERRED,
        sale: SaleId(7),
        amount: AMOUNT,
        begins: Place::of_a_sale(),
    };
    lead()
        .given(and(and(qualified(), Analyzed(analysis(900))), done))
        .when(transfer())
        .then_expect_error(LeadError::AlreadyTransferred { sale: SaleId(7) });
}

#[test]
fn each_gate_holds_a_transfer() {
    lead()
        .given(vec![opened(), Analyzed(analysis(900))])
        .when(transfer())
        .then_expect_error(LeadError::NoStep(NoStep::Forbidden {
            from: New,
            to: built_in::TRANSFERRED,
        }));
    lead()
        .given(qualified())
        .when(transfer())
        .then_expect_error(LeadError::NotAnalyzed);
    lead()
        .given(and(qualified(), Analyzed(analysis(599))))
        .when(transfer())
        .then_expect_error(LeadError::ScoreTooLow {
            score: Score::from_thousandths(599).unwrap(),
            needed: Score::from_thousandths(600).unwrap(),
        });
    lead()
        .given(vec![
            opened_without_domain(),
            moved(New, Contacted),
            moved(Contacted, Qualified),
            Analyzed(analysis(900)),
        ])
        .when(transfer())
        .then_expect_error(LeadError::NoDomain);
}

#[test]
fn an_old_analysis_does_not_open_the_gate() {
    let gate = Gate {
        fresh_after: Timestamp::from_second(1_000).unwrap(),
        ..gate()
    };
    lead()
        .given(and(qualified(), Analyzed(analysis(900))))
        .when(Transfer {
            sale: SaleId(1),
            amount: AMOUNT,
            gate,
            table: built_in::sales_team(),
            begins: Place::of_a_sale(),
        })
        .then_expect_error(LeadError::NotAnalyzed);
}

fn leads_on(from: StageKey, to: StageKey) -> bool {
    let table = built_in::sales_team();
    table.step(table.place(from), to).is_ok()
}

fn any_command() -> impl Strategy<Value = LeadCommand> {
    let stage = proptest::sample::select(vec![
        New,
        Contacted,
        Qualified,
        built_in::TRANSFERRED,
        Lost,
        built_in::DECIDING,
    ]);
    prop_oneof![
        1 => Just(Open { source: LeadSource::Manual, business_domain: None, contact: None, edit: Edit::default(), begins: Place::of_a_lead(), }),
        5 => (stage.clone(), proptest::option::of(stage))
            .prop_map(|(to, seen)| ChangeStage { to, seen, reason: None, table: built_in::sales_team() }),
        1 => any::<u32>().prop_map(|increment| RecordMessages { increment }),
        1 => (0..=1000u16).prop_map(|score| RecordAnalysis(analysis(score))),
        1 => Just(Describe { business_domain: Some(Some(BusinessDomain::Third)), contact: None, edit: Edit::default(), }),
        2 => Just(transfer()),
    ]
}

proptest! {
    /// Whatever is asked in whatever order, the lead only takes steps that the table has.
    #[test]
    fn no_sequence_of_commands_leaves_the_table(commands in prop::collection::vec(any_command(), 0..60)) {
        let mut lead = Lead::default();
        for command in commands {
            let before = lead.open.as_ref().map(|lead| lead.stage);
            let Ok(events) = lead.decide(command) else { continue };
            for event in events {
                lead.apply(event);
            }
            let after = lead.open.as_ref().map(|lead| lead.stage);
            let allowed = match (before, after) {
                (None, after) => after.is_none_or(|after| after == New),
                (Some(_), None) => false,
                (Some(from), Some(to)) => from == to || leads_on(from, to),
            };
            prop_assert!(allowed, "{before:?} became {after:?}");
            let lead = lead.open.as_ref();
            let sold = lead.is_some_and(|lead| lead.transfer.is_some());
            prop_assert_eq!(sold, after == Some(built_in::TRANSFERRED));
        }
    }
}

fn edited(edit: Edit) -> LeadCommand {
    Describe {
        business_domain: None,
        contact: None,
        edit,
    }
}

fn field_changed(field: LeadField, from: Option<&str>, to: Option<&str>) -> LeadEvent {
    LeadEvent::FieldChanged {
        field,
        from: from.map(Into::into),
        to: to.map(Into::into),
    }
}

fn tagged(tag: &str) -> LeadEvent {
    LeadEvent::TagAdded { tag: tag.into() }
}

#[test]
fn what_people_write_of_it_is_kept_in_one_form_and_only_what_differs_is_an_event() {
    let title = |text: &str| [(LeadField::Title, Some(text.to_owned()))].into();
    let edit = Edit {
        fields: title("  Two\tpools "),
        expected: Some(Some(AMOUNT)),
        tags: Some(vec!["VIP".into(), "vip ".into()]),
    };
    let known = vec![
        field_changed(LeadField::Title, None, Some("Two pools")),
        LeadEvent::ExpectedAmountChanged {
            from: None,
            to: Some(AMOUNT),
        },
        tagged("vip"),
    ];
    lead()
        .given(vec![opened()])
        .when(edited(edit.clone()))
        .then_expect_events(known.clone());
    let given = [vec![opened()], known].concat();
    lead()
        .given(given.clone())
        .when(edited(edit))
        .then_expect_events(vec![]);
    let cleared = Edit {
        fields: [(LeadField::Title, Some(" ".to_owned()))].into(),
        expected: Some(None),
        tags: Some(vec![]),
    };
    lead()
        .given(given)
        .when(edited(cleared))
        .then_expect_events(vec![
            field_changed(LeadField::Title, Some("Two pools"), None),
            LeadEvent::ExpectedAmountChanged {
                from: Some(AMOUNT),
                to: None,
            },
            LeadEvent::TagRemoved { tag: "vip".into() },
        ]);
}

#[test]
fn what_is_written_may_be_corrected_when_it_has_ended_and_what_it_is_about_may_not() {
    let lost = vec![opened(), moved(New, Lost)];
    lead()
        .given(lost.clone())
        .when(LeadCommand::AddTag {
            tag: "Later".into(),
        })
        .then_expect_events(vec![tagged("later")]);
    lead()
        .given(lost)
        .when(Describe {
            business_domain: None,
            contact: Some(Some(ContactId(1))),
            edit: Edit::default(),
        })
        .then_expect_error(LeadError::Closed { stage: Lost });
}

#[test]
fn notes_are_numbered_and_tags_are_limited() {
    let noted = |number, text: &str| LeadEvent::Noted {
        number,
        text: text.into(),
    };
    let note = |text: &str| LeadCommand::Note { text: text.into() };
    lead()
        .given(vec![opened(), noted(1, "asked for blue")])
        .when(note("and green\r\n"))
        .then_expect_events(vec![noted(2, "and green")]);
    lead()
        .given(vec![opened()])
        .when(note("\u{200b}"))
        .then_expect_error(LeadError::bad_text("text", BadText::Empty));
    let many: Vec<_> = (0..50).map(|number| tagged(&number.to_string())).collect();
    lead()
        .given([vec![opened()], many].concat())
        .when(LeadCommand::AddTag { tag: "more".into() })
        .then_expect_error(LeadError::TooManyTags);
    lead()
        .given(vec![opened()])
        .when(LeadCommand::AddTag {
            tag: "x".repeat(51),
        })
        .then_expect_error(LeadError::bad_text("tag", BadText::TooLong { most: 50 }));
}

#[test]
fn who_is_forgotten_takes_along_what_was_written() {
    let written = vec![
        opened(),
        field_changed(LeadField::Owner, None, Some("Olena")),
        tagged("vip"),
        LeadEvent::Noted {
            number: 1,
            text: "asked for blue".into(),
        },
    ];
    lead()
        .given(written.clone())
        .when(LeadCommand::Forget)
        .then_expect_events(vec![LeadEvent::Forgotten {}]);
    let mut forgotten = Lead::default();
    for event in [written.clone(), vec![LeadEvent::Forgotten {}]].concat() {
        forgotten.apply(event);
    }
    let details = forgotten.open.unwrap().details;
    assert!(details.fields.is_empty() && details.tags.is_empty() && details.notes == 1);
    lead()
        .given([written, vec![LeadEvent::Forgotten {}]].concat())
        .when(LeadCommand::Forget)
        .then_expect_events(vec![]);
}

#[test]
fn a_lead_follows_its_own_pipeline() {
    let opened = Opened {
        source: LeadSource::Manual,
        business_domain: None,
        contact: None,
        pipeline: built_in::PROGRAMS,
        stage: New,
    };
    let step = |to, table| ChangeStage {
        to,
        seen: None,
        reason: None,
        table,
    };
    lead()
        .given(vec![opened.clone()])
        .when(step(built_in::BOUGHT, built_in::programs()))
        .then_expect_events(vec![StageChanged {
            from: New,
            to: built_in::BOUGHT,
            outcome: Outcome::Won,
            reason: None,
        }]);
    lead()
        .given(vec![opened.clone()])
        .when(step(Contacted, built_in::sales_team()))
        .then_expect_error(LeadError::NoStep(NoStep::Forbidden {
            from: New,
            to: Contacted,
        }));
    let transfer = Transfer {
        sale: SaleId(1),
        amount: AMOUNT,
        gate: gate(),
        table: built_in::programs(),
        begins: Place::of_a_sale(),
    };
    lead()
        .given(vec![opened])
        .when(transfer)
        .then_expect_error(LeadError::NoTransfer(built_in::PROGRAMS));
}

#[test]
fn a_note_that_came_back_gives_its_number_to_no_other() {
    let noted = |number: u32| LeadEvent::Noted {
        number,
        text: format!("note {number}"),
    };
    let withdrawn = LeadEvent::NoteWithdrawn {
        number: 1,
        text: "note 1".into(),
    };
    lead()
        .given(vec![opened(), noted(1), noted(2), withdrawn, noted(1)])
        .when(LeadCommand::Note {
            text: "note 3".into(),
        })
        .then_expect_events(vec![noted(3)]);
}
