//! A lead that is to be opened, and whose it is.

use domain::contact::command::Card;
use domain::id::ContactId;
use domain::key::Role;
use domain::lead::command::LeadCommand;
use domain::lead::details::Edit;
use domain::lead::source::{BusinessDomain, LeadSource};
use domain::pipeline::table::Place;

use crate::http::api::Api;
use crate::http::contacts::CreateContact;
use crate::http::problem::Problem;
use crate::origin::Origin;

/// A lead that is to be opened.
pub(super) struct Opening {
    pub(super) source: LeadSource,
    pub(super) business_domain: Option<BusinessDomain>,
    pub(super) edit: Edit,
    pub(super) begins: Place,
    pub(super) whose: Whose,
}

/// Whose interest a new lead is.
pub(super) enum Whose {
    /// Nobody knows.
    Unknown,
    /// This contact's.
    Contact(ContactId),
    /// Theirs who is found by phone or email, or made.
    Named(Card),
}

impl Whose {
    /// What a body says of it.
    pub(super) fn said(
        id: Option<u64>,
        named: Option<CreateContact>,
        api: &Api,
        role: Role,
    ) -> Result<Self, Problem> {
        match (id, named) {
            (Some(_), Some(_)) => {
                let both = "send contact, or contact_id, and not both";
                Err(Problem::invalid("contact", both))
            }
            (None, Some(named)) => {
                let card = named.card(api);
                Ok(Self::Named(card.map_err(|bad| bad.within("contact"))?))
            }
            // The form of a site names a person, and cannot try numbers of those who are known.
            (_, None) if role == Role::Form => Err(Problem::invalid(
                "contact",
                "a key with the role form hands in leads with a contact: send their name, and a phone or an email",
            )),
            (Some(id), None) => Ok(Self::Contact(ContactId(id))),
            (None, None) => Ok(Self::Unknown),
        }
    }
}

impl Opening {
    /// The contact, who is there from here on.
    pub(super) async fn contact(
        &self,
        api: &Api,
        origin: &Origin,
    ) -> Result<Option<ContactId>, Problem> {
        match &self.whose {
            Whose::Unknown => Ok(None),
            Whose::Contact(id) => {
                api.contacts.expect_present(Some(*id), origin).await?;
                Ok(Some(*id))
            }
            Whose::Named(card) => {
                let origin = origin.step("contact");
                let found = api.contacts.find_or_create(card, false, &origin).await;
                let within = |error| Problem::from(error).within("contact");
                Ok(Some(found.map_err(within)?.id))
            }
        }
    }

    /// The command that opens it.
    pub(super) fn command(&self, contact: Option<ContactId>) -> LeadCommand {
        LeadCommand::Open {
            source: self.source,
            business_domain: self.business_domain,
            contact,
            edit: self.edit.clone(),
            begins: self.begins,
        }
    }
}
