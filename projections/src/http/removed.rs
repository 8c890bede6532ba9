//! Leads whose contact was removed say so: the lead itself does not change by that.

use std::collections::HashSet;

use commands::desk::Desk;
use commands::http::problem::Problem;
use commands::http::views::LeadView;
use domain::contact::aggregate::Contact;
use domain::id::ContactId;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait as _, Query};
use serde::Deserialize;

use crate::contacts::Contacts;
use crate::views::{ReadError, Reader};

/// These leads, as JSON, those without their contact marked.
pub async fn now(reader: &Reader, bodies: Vec<String>) -> Result<Vec<String>, Problem> {
    let contacts: Vec<_> = bodies.iter().map(|body| contact_of(body)).collect();
    let named: HashSet<u64> = contacts.iter().flatten().copied().collect();
    if named.is_empty() {
        return Ok(bodies);
    }
    let present = present(reader, named).await?;
    let marked = bodies.into_iter().zip(contacts).map(|(body, contact)| {
        let gone = contact.is_some_and(|contact| !present.contains(&contact));
        if gone { marked(&body) } else { Ok(body) }
    });
    marked.collect()
}

/// A lead as it was then, marked where its contact was removed by then.
pub async fn then(
    desk: &Desk,
    reader: &Reader,
    body: String,
    at: Timestamp,
) -> Result<String, Problem> {
    let Some(contact) = contact_of(&body).map(ContactId) else {
        return Ok(body);
    };
    let contact = desk
        .load_as_of::<Contact>(reader.workspace(), contact, at)
        .await?;
    match contact.state.present() {
        Some(_) => Ok(body),
        None => marked(&body),
    }
}

fn contact_of(body: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Linked {
        contact_id: Option<u64>,
    }
    let linked: Option<Linked> = serde_json::from_str(body).ok();
    linked?.contact_id
}

fn marked(body: &str) -> Result<String, Problem> {
    let marked = serde_json::from_str(body).and_then(|view: LeadView| {
        serde_json::to_string(&LeadView {
            contact_removed: true,
            ..view
        })
    });
    marked.map_err(|error| Problem::internal(&error))
}

async fn present(reader: &Reader, contacts: HashSet<u64>) -> Result<HashSet<u64>, ReadError> {
    let rows = reader
        .rows::<Contacts>(|tables| {
            let mut query = Query::select();
            query.column("id").from(tables.records());
            query.and_where(Expr::col("workspace").eq(reader.workspace().as_str()));
            query.and_where(Expr::col("id").is_in(contacts.iter().copied()));
            query.and_where(Expr::col("body").is_not_null());
            query
        })
        .await?;
    Ok(rows.iter().map(|row| row.count(0)).collect())
}
