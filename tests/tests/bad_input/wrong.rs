//! A request that is wrong, and how it is to be refused.

use reqwest::RequestBuilder;
use stories::crm::Crm;

/// A request that is wrong, and how it is to be refused.
#[derive(Debug)]
pub struct Wrong {
    method: &'static str,
    path: &'static str,
    content_type: Option<&'static str>,
    body: &'static str,
    /// The status that is expected.
    pub status: u16,
    /// The field that is to be named; empty where it is none.
    pub field: &'static str,
}

impl Wrong {
    pub fn request(&self, crm: &Crm) -> RequestBuilder {
        let request = crm.request(self.method.parse().unwrap(), self.path);
        let request = request.body(self.body);
        match self.content_type {
            Some(content_type) => request.header("Content-Type", content_type),
            None => request,
        }
    }
}

pub const fn get(path: &'static str, status: u16, field: &'static str) -> Wrong {
    without_body("GET", path, status, field)
}

pub const fn delete(path: &'static str, status: u16, field: &'static str) -> Wrong {
    without_body("DELETE", path, status, field)
}

/// A `POST` of JSON, or of what says that it is.
pub const fn post(
    path: &'static str,
    body: &'static str,
    status: u16,
    field: &'static str,
) -> Wrong {
    in_type("application/json", "POST", path, body, status, field)
}

/// A `PATCH` of JSON.
pub const fn patch(
    path: &'static str,
    body: &'static str,
    status: u16,
    field: &'static str,
) -> Wrong {
    in_type("application/json", "PATCH", path, body, status, field)
}

pub const fn without_body(
    method: &'static str,
    path: &'static str,
    status: u16,
    field: &'static str,
) -> Wrong {
    Wrong {
        method,
        path,
        content_type: None,
        body: "",
        status,
        field,
    }
}

pub const fn in_type(
    content_type: &'static str,
    method: &'static str,
    path: &'static str,
    body: &'static str,
    status: u16,
    field: &'static str,
) -> Wrong {
    Wrong {
        method,
        path,
        content_type: Some(content_type),
        body,
        status,
        field,
    }
}
