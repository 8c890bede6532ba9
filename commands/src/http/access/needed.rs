//! Which role a route needs: said where the route is made, and shown in the API's description.

use std::collections::HashMap;

use axum::http::Method;
use domain::key::Role;
use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, PathItem};
use utoipa_axum::router::UtoipaMethodRouter;

/// Who may call an operation, in its description: the least role, and `form` where that may too. One entry,
/// because several would come out in any order.
const ROLES: &str = "x-roles";

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// At least this role.
    pub least: Role,
    /// Or the form of a site, which may do nothing else.
    pub form: bool,
}

impl Needed {
    /// Whether a role is enough.
    #[must_use]
    pub fn allows(self, role: Role) -> bool {
        match role {
            Role::Form => self.form,
            Role::Analyst | Role::Operator | Role::Admin | Role::Owner => role >= self.least,
        }
    }
}

/// Routes for whoever has at least this role.
pub fn open_to<S>(least: Role, routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    declared(Needed { least, form: false }, routes)
}

/// Routes for whoever has at least this role, and for the form of a site.
pub fn open_to_forms_and<S>(least: Role, routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    declared(Needed { least, form: true }, routes)
}

fn declared<S>(
    needed: Needed,
    (schemas, mut paths, router): UtoipaMethodRouter<S>,
) -> UtoipaMethodRouter<S> {
    for (_, operation) in paths.paths.values_mut().flat_map(operations) {
        let forms = needed.form.then_some(Role::Form);
        let roles: Vec<_> = [needed.least].into_iter().chain(forms).collect();
        operation.extensions = Some(ExtensionsBuilder::new().add(ROLES, json!(roles)).build());
    }
    (schemas, paths, router)
}

/// The operations of a path, each with its method.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::PUT, &mut item.put),
        (Method::DELETE, &mut item.delete),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Who may call which route: by its template, then by method.
#[derive(Debug, Clone, Default)]
pub struct Table(HashMap<String, HashMap<Method, Needed>>);

/// A route was made without saying who may call it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} {path} does not say which role it needs: make it with open_to")]
pub struct Undeclared {
    /// Its method.
    pub method: Method,
    /// Its template.
    pub path: String,
}

impl Table {
    /// What the routes of a description say; one that says nothing is refused.
    pub fn of(api: &mut OpenApi) -> Result<Self, Undeclared> {
        let mut table = HashMap::<String, HashMap<Method, Needed>>::new();
        for (path, item) in &mut api.paths.paths {
            let methods = table.entry(path.clone()).or_default();
            for (method, operation) in operations(item) {
                let Some(needed) = read(operation) else {
                    let path = path.clone();
                    return Err(Undeclared { method, path });
                };
                methods.insert(method, needed);
            }
        }
        Ok(Self(table))
    }

    /// Who may call a route; `None` where there is none such.
    #[must_use]
    pub fn get(&self, method: &Method, template: &str) -> Option<Needed> {
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        self.0.get(template)?.get(method).copied()
    }
}

fn read(operation: &Operation) -> Option<Needed> {
    let said = operation.extensions.as_ref()?.get(ROLES)?.as_array()?;
    let mut roles = said.iter().filter_map(|role| Role::parse(role.as_str()?));
    Some(Needed {
        least: roles.next()?,
        form: roles.next() == Some(Role::Form),
    })
}

#[cfg(test)]
mod tests {
    use super::{Needed, Role};

    #[test]
    fn a_form_may_do_what_is_for_forms_and_nothing_else() {
        let all = |needed: Needed| Role::ALL.iter().filter(move |role| needed.allows(**role));
        let names = |needed| all(needed).map(|role| role.as_str()).collect::<Vec<_>>();
        let [least, form] = [Role::Operator, Role::Form];
        assert_eq!(
            names(Needed { least, form: false }),
            ["operator", "admin", "owner"]
        );
        let with_forms = names(Needed { least, form: true });
        assert_eq!(with_forms, ["form", "operator", "admin", "owner"]);
        assert!(
            !Needed {
                least: Role::Analyst,
                form: false
            }
            .allows(form)
        );
    }
}
