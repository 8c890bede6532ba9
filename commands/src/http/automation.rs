//! Which rules act by themselves: listed and switched here.

use axum::Json;
use axum::extract::{Path, State};
use domain::automation::{Automation, AutomationError, AutomationId, Rule, SetRule};
use domain::key::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::open_to;
use super::answer::Changed;
use super::api::Api;
use super::caller::Caller;
use super::extract::Body;
use super::field::given;
use super::problem::Problem;

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(open_to(Role::Analyst, routes!(list_rules)))
        .routes(open_to(Role::Admin, routes!(set_rule)))
}

/// A rule and how it is set.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleView {
    /// Its name.
    pub name: Rule,
    /// What it does, and what `value` means.
    pub description: &'static str,
    /// Whether it acts.
    pub enabled: bool,
    /// Its number.
    pub value: u64,
}

/// How a rule should be set; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRule {
    /// Whether it acts.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    pub enabled: Option<bool>,
    /// Its number.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u64)]
    pub value: Option<u64>,
}

impl RuleView {
    fn of(rule: Rule, automation: &Automation) -> Self {
        let setting = automation.setting(rule);
        Self {
            name: rule,
            description: rule.description(),
            enabled: setting.enabled,
            value: setting.value,
        }
    }
}

/// Lists the rules.
#[utoipa::path(get, path = "/api/v1/automation/rules", tag = "automation",
    responses((status = 200, body = Vec<RuleView>)))]
pub async fn list_rules(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<Vec<RuleView>>, Problem> {
    let automation = api
        .desk
        .load::<Automation>(&caller.workspace, AutomationId::Rules)
        .await?;
    Ok(Json(
        Rule::ALL
            .iter()
            .map(|rule| RuleView::of(*rule, &automation.state))
            .collect(),
    ))
}

/// Switches a rule, or changes its value.
#[utoipa::path(patch, path = "/api/v1/automation/rules/{name}", tag = "automation", request_body = ChangeRule,
    params(("name" = Rule, Path)), responses((status = 200, body = RuleView), (status = "4XX", body = Problem)))]
pub async fn set_rule(
    State(api): State<Api>,
    Path(name): Path<String>,
    caller: Caller,
    Body(ask): Body<ChangeRule>,
) -> Result<Changed<RuleView>, Problem> {
    let names = || {
        Rule::ALL
            .iter()
            .map(|rule| rule.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let rule = Rule::parse(&name)
        .ok_or_else(|| Problem::not_found(format!("The rules are {}", names())).field("name"))?;
    let command = SetRule {
        rule,
        enabled: ask.enabled,
        value: ask.value,
    };
    let origin = caller.changing::<Automation>(AutomationId::Rules);
    let automation = api
        .desk
        .send::<Automation>(AutomationId::Rules, command, &origin)
        .await?;
    Ok(api
        .changed(RuleView::of(rule, &automation.state), automation.position())
        .version(automation.version))
}

impl From<AutomationError> for Problem {
    fn from(refusal: AutomationError) -> Self {
        let detail = refusal.to_string();
        match refusal {
            AutomationError::BadValue { .. } => Self::invalid("value", detail),
        }
    }
}
