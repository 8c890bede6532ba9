//! Records with the contact that they name, read in one step for all of a page.

use commands::http::problem::Problem;
use commands::http::views::{ContactView, LeadView, SaleView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contacts::Contacts;
use crate::leads::Leads;
use crate::views::Reader;

/// A lead of a list.
#[derive(Serialize, ToSchema)]
pub struct ListedLead {
    #[serde(flatten)]
    lead: LeadView,
    /// Its contact, where that is asked for, known and not removed.
    #[schema(required = false)]
    contact: Option<ContactView>,
}

/// A sale of a list.
#[derive(Serialize, ToSchema)]
pub struct ListedSale {
    #[serde(flatten)]
    sale: SaleView,
    /// The contact of its lead, where that is asked for, known and not removed.
    #[schema(required = false)]
    contact: Option<ContactView>,
}

/// What a record says of others.
#[derive(Deserialize)]
struct Linked {
    contact_id: Option<u64>,
    lead_id: Option<u64>,
}

/// These leads, as JSON, each with its contact.
pub(super) async fn leads(reader: &Reader, bodies: Vec<String>) -> Result<Vec<String>, Problem> {
    let contacts = bodies.iter().map(|body| linked(body).contact_id).collect();
    with_contacts(reader, bodies, contacts).await
}

/// These sales, as JSON, each with the contact of its lead.
pub(super) async fn sales(reader: &Reader, bodies: Vec<String>) -> Result<Vec<String>, Problem> {
    let of: Vec<_> = bodies.iter().map(|body| linked(body).lead_id).collect();
    let leads = reader.bodies::<Leads>(of.iter().copied().flatten()).await?;
    let contact = |lead: &Option<u64>| linked(leads.get(&(*lead)?)?).contact_id;
    let contacts = of.iter().map(contact).collect();
    with_contacts(reader, bodies, contacts).await
}

fn linked(body: &str) -> Linked {
    let nobody = Linked {
        contact_id: None,
        lead_id: None,
    };
    serde_json::from_str(body).unwrap_or(nobody)
}

async fn with_contacts(
    reader: &Reader,
    bodies: Vec<String>,
    of: Vec<Option<u64>>,
) -> Result<Vec<String>, Problem> {
    let named = of.iter().copied().flatten();
    let contacts = reader.bodies::<Contacts>(named).await?;
    let with = |(body, contact): (String, Option<u64>)| {
        let contact = contact.and_then(|contact| contacts.get(&contact));
        let contact = contact.map_or("null", String::as_str);
        let record = body.strip_suffix('}').unwrap_or(&body);
        format!("{record},\"contact\":{contact}}}")
    };
    Ok(bodies.into_iter().zip(of).map(with).collect())
}
